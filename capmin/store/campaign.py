"""One campaign on record: what `--resume` continues, and what priors are learned from."""

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.result import CertificateEntry
from capmin.store.database import Database
from capmin.store.identity import CampaignIdentity
from capmin.store.rows import GrantTable, read_grants, read_launches, write_launch
from capmin.trial import Launch, Trial, Verdict


class Status(StrEnum):
    """How far a campaign came. One whose process was killed stays ``running``."""

    RUNNING = "running"
    DONE = "done"
    UNCONFIRMED = "unconfirmed"
    BUDGET_SPENT = "budget spent"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenTrial:
    """A trial that was begun and has no verdict, with the launches made so far."""

    number: int
    phase: str
    grant: Grant
    launches: tuple[Launch, ...]


@dataclass(slots=True)
class _Pending:
    """A trial of this process that has no verdict yet: its row, and its launches with theirs."""

    row: int
    launches: list[tuple[int, Launch]] = field(default_factory=list)


class Campaign:
    """The trials of one search; made by `capmin.store.Store`. Safe to use from several threads.

    Attributes:
        identity: what it was made under.
        created: when it was begun.
    """

    def __init__(self, database: Database, row: int, identity: CampaignIdentity, created: datetime) -> None:
        self.identity = identity
        self.created = created
        self._database = database
        self._row = row
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}

    def begin(self, *, phase: str, grant: Grant) -> int:
        """Open a trial, so that its launches can be recorded one by one; its number, the next free one."""
        with self._lock:
            with self._database.writing() as connection:
                number = _next_number(connection, self._row)
                row = _insert_trial(connection, self._row, number, phase, grant)
            self._pending[number] = _Pending(row=row)
        return number

    def record_launch(self, number: int, launch: Launch) -> None:
        """Put a launch of a trial that this process has begun on record, at once.

        Raises:
            EngineError: it cannot be written; what was recorded before is safe.
        """
        with self._lock:
            pending = self._pending[number]
            position = len(pending.launches)
            with self._database.writing() as connection:
                row = write_launch(connection, GrantTable(connection), pending.row, position, launch)
            pending.launches.append((row, launch))

    def record_trial(self, trial: Trial) -> None:
        """Put a trial on record, with those of its launches that are not there yet, and in its order.

        Raises:
            UsageError: there is a trial of that number: another process continues this campaign too.
            EngineError: it cannot be written; what was recorded before is safe.
        """
        with self._lock:
            with self._database.writing() as connection:
                pending = self._pending.get(trial.number) or self._open(connection, trial)
                _write_launches(connection, pending, trial.launches)
                connection.execute(
                    "UPDATE trial SET verdict = ?, reason = ?, degraded = ? WHERE id = ?",
                    (trial.verdict.value, trial.reason, trial.degraded, pending.row),
                )
            self._pending.pop(trial.number, None)

    def _open(self, connection: sqlite3.Connection, trial: Trial) -> _Pending:
        try:
            row = _insert_trial(connection, self._row, trial.number, trial.phase, trial.grant)
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"trial {trial.number} of this campaign is on record already: another capmin search "
                "continues it. Wait for that one, or search without --resume"
            ) from error
        return _Pending(row=row)

    def trials(self) -> tuple[Trial, ...]:
        """Every trial that has a verdict, by number; equal to what was recorded."""
        with self._database.reading() as connection:
            rows = self._trial_rows(connection, "verdict IS NOT NULL")
            grants = read_grants(connection)
            launches = read_launches(connection, self._row, grants)
        return tuple(
            Trial(
                number=number,
                phase=phase,
                grant=grants[granted_id],
                launches=tuple(launches.get(row, ())),
                verdict=Verdict(verdict),
                reason=reason,
                degraded=bool(degraded),
            )
            for row, number, phase, granted_id, verdict, reason, degraded in rows
        )

    def open_trials(self) -> tuple[OpenTrial, ...]:
        """Every trial without a verdict: under way, or what a killed process has left."""
        with self._database.reading() as connection:
            rows = self._trial_rows(connection, "verdict IS NULL")
            grants = read_grants(connection)
            launches = read_launches(connection, self._row, grants)
        return tuple(
            OpenTrial(
                number=number,
                phase=phase,
                grant=grants[granted_id],
                launches=tuple(launches.get(row, ())),
            )
            for row, number, phase, granted_id, *_ in rows
        )

    def _trial_rows(self, connection: sqlite3.Connection, condition: str) -> list[tuple[Any, ...]]:
        return connection.execute(
            "SELECT id, number, phase, granted_id, verdict, reason, degraded FROM trial "  # noqa: S608 - of this file
            f"WHERE campaign_id = ? AND {condition} ORDER BY number",
            (self._row,),
        ).fetchall()

    def certify(
        self, privilege: Privilege, trial: int, *, denied: Syscall | None = None, evidence: str = ""
    ) -> None:
        """Record why a privilege is kept: the number of the trial that failed for want of it."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO certificate (campaign_id, privilege, trial, denied, evidence) "
                "VALUES (?, ?, ?, ?, ?)",
                (self._row, privilege, trial, denied, evidence),
            )

    def certificate(self) -> tuple[CertificateEntry, ...]:
        """For each privilege certified, its latest entry."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT privilege, trial, denied, evidence FROM certificate WHERE id IN "
                "(SELECT max(id) FROM certificate WHERE campaign_id = ? GROUP BY privilege) ORDER BY id",
                (self._row,),
            ).fetchall()
        return tuple(
            CertificateEntry(
                privilege=Capability(privilege) if privilege.startswith("CAP_") else Syscall(privilege),
                trial=trial,
                denied=None if denied is None else Syscall(denied),
                evidence=evidence,
            )
            for privilege, trial, denied, evidence in rows
        )

    def finish(self, status: Status, result: Mapping[str, Any] | None = None) -> None:
        """Record how it ended, with the result document where there is one."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE campaign SET status = ?, result = coalesce(?, result) WHERE id = ?",
                (status.value, None if result is None else json.dumps(result), self._row),
            )

    def precedes(self, other: "Campaign") -> bool:
        """Whether it is an earlier, finished campaign about the same image and scenarios."""
        mine, theirs = self.identity, other.identity
        same = (mine.image_digest, mine.scenario_hash) == (theirs.image_digest, theirs.scenario_hash)
        return same and self.number < other.number and self.status is Status.DONE

    @property
    def number(self) -> int:
        """Counts the campaigns of a store in the order in which they were begun."""
        return self._row

    @property
    def status(self) -> Status:
        return Status(self._column("status"))

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The result document, as recorded by `finish`."""
        text = self._column("result")
        return None if text is None else json.loads(text)

    def _column(self, name: str) -> Any:  # noqa: ANN401 - whatever SQLite holds
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {name} FROM campaign WHERE id = ?",  # noqa: S608 - of this file
                (self._row,),
            ).fetchone()
        return row[0]


def _next_number(connection: sqlite3.Connection, campaign: int) -> int:
    row = connection.execute("SELECT max(number) FROM trial WHERE campaign_id = ?", (campaign,)).fetchone()
    return 1 + int(row[0] or 0)


def _insert_trial(
    connection: sqlite3.Connection, campaign: int, number: int, phase: str, grant: Grant
) -> int:
    cursor = connection.execute(
        "INSERT INTO trial (campaign_id, number, phase, granted_id) VALUES (?, ?, ?, ?)",
        (campaign, number, phase, GrantTable(connection).identify(grant)),
    )
    return int(cursor.lastrowid or 0)


def _write_launches(connection: sqlite3.Connection, pending: _Pending, launches: Sequence[Launch]) -> None:
    """Record what is not on record; put the rest, recorded as threads finished, in the trial's order."""
    recorded = list(pending.launches)
    grants = GrantTable(connection)
    for position, launch in enumerate(launches):
        index = next((i for i, (_, known) in enumerate(recorded) if known == launch), None)
        if index is None:
            write_launch(connection, grants, pending.row, position, launch)
        else:
            row, _ = recorded.pop(index)
            connection.execute("UPDATE launch SET position = ? WHERE id = ?", (position, row))
