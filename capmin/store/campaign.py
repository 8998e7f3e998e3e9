"""One campaign on record: what `--resume` continues, and what priors are learned from."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.result import CertificateEntry
from capmin.store.database import Database
from capmin.store.identity import CampaignIdentity
from capmin.store.rows import GrantTable, read_grants, read_launches, write_launch
from capmin.trial import Launch, OpenTrial, Trial, Verdict


class Status(StrEnum):
    """How far a campaign came. One whose process was killed stays ``running``."""

    RUNNING = "running"
    DONE = "done"
    UNCONFIRMED = "unconfirmed"
    BUDGET_SPENT = "budget spent"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(slots=True)
class _Pending:
    """A trial of this process that has no verdict yet: its row, and how many launches are on record."""

    row: int
    launches: int = 0


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

    def begin(self, number: int, *, phase: str, grant: Grant) -> None:
        """Open a trial, so that its launches can be recorded one by one, or go on with one that is open.

        Raises:
            UsageError: there is another trial of that number: another process continues this campaign too.
            EngineError: it cannot be written; what was recorded before is safe.
        """
        with self._lock:
            with self._database.writing() as connection:
                pending = self._left_open(connection, number, phase, grant)
                pending = pending or self._open(connection, number, phase, grant)
            self._pending[number] = pending

    def record_launch(self, number: int, launch: Launch) -> None:
        """Put a launch of a trial that this process has begun on record, at once.

        Raises:
            UsageError: another process makes the same trial.
            EngineError: it cannot be written; what was recorded before is safe.
        """
        with self._lock:
            pending = self._pending[number]
            with self._database.writing() as connection:
                self._write_launches(connection, number, pending, [launch])
            pending.launches += 1

    def record_trial(self, trial: Trial) -> None:
        """Put a trial on record; its launches begin with those recorded one by one.

        Raises:
            UsageError: there is a trial of that number: another process continues this campaign too.
            EngineError: it cannot be written; what was recorded before is safe.
        """
        number = trial.number
        with self._lock:
            with self._database.writing() as connection:
                pending = self._pending.get(number)
                pending = pending or self._open(connection, number, trial.phase, trial.grant)
                self._write_launches(connection, number, pending, trial.launches[pending.launches :])
                cursor = connection.execute(
                    "UPDATE trial SET verdict = ?, reason = ?, degraded = ? WHERE id = ? AND verdict IS NULL",
                    (trial.verdict.value, trial.reason, trial.degraded, pending.row),
                )
                if not cursor.rowcount:
                    raise _taken(number)
            self._pending.pop(number, None)

    def _open(self, connection: sqlite3.Connection, number: int, phase: str, grant: Grant) -> _Pending:
        try:
            cursor = connection.execute(
                "INSERT INTO trial (campaign_id, number, phase, granted_id) VALUES (?, ?, ?, ?)",
                (self._row, number, phase, GrantTable(connection).identify(grant)),
            )
        except sqlite3.IntegrityError as error:
            raise _taken(number) from error
        return _Pending(row=int(cursor.lastrowid or 0))

    def _left_open(
        self, connection: sqlite3.Connection, number: int, phase: str, grant: Grant
    ) -> _Pending | None:
        """The same trial, as a killed process has left it."""
        row = connection.execute(
            "SELECT trial.id, count(launch.id) FROM trial LEFT JOIN launch ON trial_id = trial.id WHERE "
            "campaign_id = ? AND number = ? AND phase = ? AND trial.granted_id = ? AND verdict IS NULL "
            "GROUP BY trial.id",
            (self._row, number, phase, GrantTable(connection).identify(grant)),
        ).fetchone()
        return None if row is None else _Pending(row=row[0], launches=row[1])

    def _write_launches(
        self, connection: sqlite3.Connection, number: int, pending: _Pending, launches: Sequence[Launch]
    ) -> None:
        grants = GrantTable(connection)
        try:
            for position, launch in enumerate(launches, start=pending.launches):
                write_launch(connection, grants, pending.row, position, launch)
        except sqlite3.IntegrityError as error:
            raise _taken(number) from error

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

    def certify(self, entries: Iterable[CertificateEntry]) -> None:
        """Record why privileges are kept."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO certificate (campaign_id, privilege, trial, denied, evidence, presumed) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(self._row, e.privilege, e.trial, e.denied, e.evidence, e.presumed) for e in entries],
            )

    def certificate(self) -> tuple[CertificateEntry, ...]:
        """For each privilege certified, its latest entry."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT privilege, trial, denied, evidence, presumed FROM certificate WHERE id IN "
                "(SELECT max(id) FROM certificate WHERE campaign_id = ? GROUP BY privilege) ORDER BY id",
                (self._row,),
            ).fetchall()
        return tuple(
            CertificateEntry(
                privilege=Capability(privilege) if privilege.startswith("CAP_") else Syscall(privilege),
                trial=trial,
                denied=None if denied is None else Syscall(denied),
                evidence=evidence,
                presumed=bool(presumed),
            )
            for privilege, trial, denied, evidence, presumed in rows
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


def _taken(number: int) -> UsageError:
    return UsageError(
        f"trial {number} of this campaign is on record already: another capmin search "
        "continues it. Wait for that one, or search without --resume"
    )
