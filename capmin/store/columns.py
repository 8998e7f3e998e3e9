"""A store read as columns: what data frames are made of, without an object for each launch.

Of 100,000 trials with half a million attempts, `capmin.store.Store` makes objects in five seconds of
processor time and more; their columns take a third of that, and each only when it is asked for.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from capmin.errors import UsageError
from capmin.privileges.capability import Capability, from_mask
from capmin.store.rows import unpacked
from capmin.store.schema import APPLICATION_ID, MIGRATIONS, migrate

Columns = dict[str, list[Any]]

_PART = 500
"""Rows read at a time: with 5,000, which no cache of a processor holds, columns took a third longer."""

_DENIED = """CASE WHEN observed THEN
    (SELECT coalesce(sum(count), 0) FROM attempt WHERE launch_id = launch.id AND errno IS NOT NULL) END"""
"""How many attempts were denied in a launch; NULL where that was not observed."""

_GRANTED = "granted.capabilities AS capabilities, granted.syscalls AS syscalls"
"""A grant as the store has it: a mask, and a set of numbers as little-endian bits, or NULL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredCampaign:
    """A campaign on record: its row, what it was about and could grant, when it was begun, and its result."""

    row: int
    image_reference: str
    image_digest: str
    ceiling: frozenset[Capability]
    created: datetime
    result: Mapping[str, Any] | None


class StoreReader:
    """A store to read from: never written to, and no file made beside it. Made by `reading`.

    CROSS JOIN is SQLite's word for tables to be read in that order (sqlite.org/optoverview.html): rows then
    come out of the indices by number and position, and need not be sorted.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def campaigns(self) -> tuple[StoredCampaign, ...]:
        """All of them, in the order in which they were begun."""
        rows = self._connection.execute(
            "SELECT id, image_reference, image_digest, ceiling, created, result FROM campaign ORDER BY id"
        )
        return tuple(
            StoredCampaign(
                row=row,
                image_reference=reference,
                image_digest=digest,
                ceiling=from_mask(ceiling),
                created=datetime.fromisoformat(created),
                result=None if result is None else json.loads(result),
            )
            for row, reference, digest, ceiling, created, result in rows
        )

    def scenarios(self, campaign: int) -> tuple[Mapping[str, Any], ...]:
        """The scenarios of a campaign as they were defined, in their order."""
        rows = self._connection.execute(
            "SELECT definition FROM scenario WHERE campaign_id = ? ORDER BY position", (campaign,)
        )
        return tuple(json.loads(definition) for (definition,) in rows)

    def trials(self, campaign: int) -> Columns:
        """Trials with a verdict, by number, each with its grant, and what its launches come to.

        Where no launch was observed the denials are missing, not 0.
        """
        return self._columns(
            f"SELECT number AS trial, phase, verdict, degraded, reason, {_GRANTED}, "  # noqa: S608 - of this file
            "count(launch.id) AS launch_count, total(duration_s) AS duration_s, "
            f"sum({_DENIED}) AS denial_count FROM trial "
            "CROSS JOIN granted ON granted.id = trial.granted_id LEFT JOIN launch ON trial_id = trial.id "
            "WHERE campaign_id = ? AND verdict IS NOT NULL GROUP BY number ORDER BY number",
            campaign,
        )

    def launches(self, campaign: int) -> Columns:
        """The launches of those trials, in their order, each with its grant."""
        columns = self._columns(
            f"SELECT number AS trial, position AS launch, scenario, {_GRANTED}, exit_code, "  # noqa: S608 - of this file
            "service_exit_code, timed_out, refused, ended_in, trouble, duration_s, stalled_s, waited_s, "
            f"spawned, {_DENIED} AS denial_count, bounding, effective, seccomp_mode, no_new_privileges, "
            "output, probe_output FROM trial CROSS JOIN launch ON trial_id = trial.id "
            "CROSS JOIN granted ON granted.id = launch.granted_id "
            "WHERE campaign_id = ? AND verdict IS NOT NULL ORDER BY number, launch",
            campaign,
        )
        for name in ("output", "probe_output"):
            columns[name] = [unpacked(value) for value in columns[name]]
        return columns

    def attempts(self, campaign: int) -> Columns:
        """The attempts in those launches, in their order; errno is a number."""
        return self._columns(
            "SELECT number AS trial, launch.position AS launch, privilege, syscall, program, errno, count, "
            "first_s, last_s FROM trial CROSS JOIN launch ON trial_id = trial.id "
            "CROSS JOIN attempt ON launch_id = launch.id "
            "WHERE campaign_id = ? AND verdict IS NOT NULL ORDER BY number, launch, attempt.position",
            campaign,
        )

    def syscalls(self) -> tuple[str, ...]:
        """The system calls that the sets of this store may have; their places are those of the bits."""
        rows = self._connection.execute("SELECT name FROM syscall ORDER BY number")
        return tuple(name for (name,) in rows)

    def _columns(self, query: str, campaign: int) -> Columns:
        cursor = self._connection.execute(query, (campaign,))
        columns: Columns = {description[0]: [] for description in cursor.description}
        # In parts: the rows of half a million attempts would be in memory beside their columns.
        while rows := cursor.fetchmany(_PART):
            for values, more in zip(columns.values(), zip(*rows, strict=True), strict=True):
                values.extend(more)
        return columns


@contextmanager
def reading(path: Path) -> Iterator[StoreReader]:
    """A store, open for reading.

    Raises:
        UsageError: it is not there, or not a store, or damaged.
    """
    if not path.is_file():
        raise UsageError(f"there is no store {path}")
    try:
        with closing(_open(path)) as connection:
            yield StoreReader(connection)
    except (sqlite3.Error, ValueError) as error:
        raise UsageError(f"cannot read the store {path}: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    # While a search has the store open there is a log beside it, which a reader joins. Without one the file
    # is all there is; opened as a log's reader it would need a directory that can be written to, and leave
    # two files in it (sqlite.org/wal.html, "Read-Only Databases").
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True)
    try:
        version = _version(connection)
    except BaseException:
        connection.close()
        raise
    if version == len(MIGRATIONS):
        return connection
    with closing(connection):
        return _migrated(connection)


def _migrated(old: sqlite3.Connection) -> sqlite3.Connection:
    """An older store brought up to date in memory: the file may be read-only, and is not ours to change."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    old.backup(connection)
    connection.execute("BEGIN")
    migrate(connection)
    connection.execute("COMMIT")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ValueError("it is a database, but not a store of capmin")
    if version > len(MIGRATIONS):
        raise ValueError(f"a later capmin made it (version {version}, this one knows {len(MIGRATIONS)})")
    return version
