"""Everything that campaigns launched, on record: append-only SQLite, one file a campaign or one for many.

What is recorded is committed before the next decision is taken, so that a campaign killed at any point is
continued from its last finished launch. Several threads, and several processes, may write to one file.
"""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from capmin.privileges.capability import from_mask, to_mask
from capmin.result import timestamp
from capmin.scenario import Scenario
from capmin.store.campaign import Campaign, Status
from capmin.store.database import Database
from capmin.store.identity import CampaignIdentity, definition, scenario_hash

__all__ = ["Campaign", "CampaignIdentity", "Status", "Store", "scenario_hash"]

_IDENTITY = tuple(field.name for field in fields(CampaignIdentity))


class Store:
    """A file of campaigns.

    Args:
        path: the file, made if need be, or ``:memory:``.

    Raises:
        UsageError: it cannot be opened or written to, or is something else.
    """

    def __init__(self, path: Path | str) -> None:
        self._database = Database(path)

    def campaign(
        self, identity: CampaignIdentity, *, scenarios: Iterable[Scenario] = (), resume: bool = False
    ) -> Campaign:
        """Begin a campaign; with ``resume`` continue the latest one of the same key, if there is one.

        Not one that has failed: its tests never passed, and would be said to fail for ever.

        Raises:
            EngineError: it cannot be written.
        """
        if resume:
            known = [campaign for campaign in self.campaigns() if campaign.identity.key == identity.key]
            if known and known[-1].status is not Status.FAILED:
                return known[-1]
        return self._begin(identity, tuple(scenarios))

    def campaigns(self) -> tuple[Campaign, ...]:
        """Every campaign on record, in the order in which they were begun."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT id, created, {', '.join(_IDENTITY)} FROM campaign ORDER BY id"  # noqa: S608 - names of fields
            ).fetchall()
        return tuple(
            Campaign(self._database, row, _identity(values), datetime.fromisoformat(created))
            for row, created, *values in rows
        )

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, identity: CampaignIdentity, scenarios: tuple[Scenario, ...]) -> Campaign:
        created = datetime.now(UTC).replace(microsecond=0)
        values = {
            **{name: getattr(identity, name) for name in _IDENTITY},
            "ceiling": to_mask(identity.ceiling),
            "key": identity.key,
            "created": timestamp(created),
            "status": Status.RUNNING.value,
        }
        places = ", ".join(f":{name}" for name in values)
        with self._database.writing() as connection:
            cursor = connection.execute(
                f"INSERT INTO campaign ({', '.join(values)}) VALUES ({places})",  # noqa: S608 - names of fields
                values,
            )
            row = int(cursor.lastrowid or 0)
            connection.executemany(
                "INSERT INTO scenario VALUES (?, ?, ?, ?)",
                [
                    (row, position, scenario.name, definition(scenario))
                    for position, scenario in enumerate(scenarios)
                ],
            )
        return Campaign(self._database, row, identity, created)


def _identity(values: list[Any]) -> CampaignIdentity:
    fields_by_name = dict(zip(_IDENTITY, values, strict=True))
    return CampaignIdentity(**{**fields_by_name, "ceiling": from_mask(fields_by_name["ceiling"])})
