"""A store read as columns: what data frames are made of, without an object for each launch.

Of 100,000 trials with half a million attempts, `capmin.store.Store` makes objects in five seconds of
processor time and more; their columns take half of that, and each only when it is asked for.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from capmin.errors import UsageError
from capmin.privileges.capability import Capability, from_mask
from capmin.store.rows import unpacked
from capmin.store.schema import APPLICATION_ID, MIGRATIONS, migrate

Columns = dict[str, list[Any]]


_PART = 5_000


_DENIED = """CASE WHEN observed THEN
    (SELECT coalesce(sum(count), 0) FROM attempt WHERE launch_id = launch.id AND errno IS NOT NULL) END"""
"""How many attempts were denied in a launch; NULL where that was not observed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grants:
    """Every grant on record, at the place that ``places`` has for its row.

    The two sets are text, sorted and separated by spaces; no system calls: the default filter.
    """

    places: Mapping[int, int]
    capabilities: list[str]
    syscalls: list[str | None]
    capability_count: list[int]
    syscall_count: list[int | None]

    def columns(self, rows: Sequence[int], names: Sequence[str]) -> Columns:
        """Some of these for the grants in such rows; nothing but references is copied."""
        places = [self.places[row] for row in rows]
        return {name: [values[place] for place in places] for name, values in self._named(names)}

    def _named(self, names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
        return ((name, getattr(self, name)) for name in names)


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
    """A store to read from: never written to, and no file made beside it. Made by `reading`."""

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
        """Trials with a verdict, by number, each with the row of its grant, and what its launches come to.

        Where no launch was observed the denials are missing, not 0.
        """
        return self._columns(
            "SELECT number AS trial, phase, verdict, degraded, reason, trial.granted_id AS granted_id, "  # noqa: S608 - of this file
            "count(launch.id) AS launch_count, total(duration_s) AS duration_s, "
            f"sum({_DENIED}) AS denial_count FROM trial LEFT JOIN launch ON trial_id = trial.id "
            "WHERE campaign_id = ? AND verdict IS NOT NULL GROUP BY trial.id ORDER BY number",
            campaign,
        )

    def launches(self, campaign: int) -> Columns:
        """The launches of those trials, in their order, each with the row of its grant."""
        columns = self._columns(
            "SELECT number AS trial, position AS launch, scenario, launch.granted_id AS granted_id, "  # noqa: S608 - of this file
            "exit_code, service_exit_code, timed_out, refused, ended_in, trouble, duration_s, stalled_s, "
            f"waited_s, spawned, {_DENIED} AS denial_count, bounding, effective, seccomp_mode, "
            "no_new_privileges, output, probe_output FROM trial JOIN launch ON trial_id = trial.id "
            "WHERE campaign_id = ? AND verdict IS NOT NULL ORDER BY number, position",
            campaign,
        )
        for name in ("bounding", "effective"):
            texts = {mask: None if mask is None else _mask_text(mask) for mask in set(columns[name])}
            columns[name] = [texts[mask] for mask in columns[name]]
        for name in ("output", "probe_output"):
            columns[name] = [unpacked(value) for value in columns[name]]
        return columns

    def attempts(self, campaign: int) -> Columns:
        """The attempts in those launches, each with the row of its launch; errno is a number."""
        return self._columns(
            "SELECT launch_id, privilege, syscall, program, errno, count, first_s, last_s FROM attempt "
            "WHERE launch_id IN (SELECT launch.id FROM launch JOIN trial ON trial.id = trial_id "
            "WHERE campaign_id = ? AND verdict IS NOT NULL) ORDER BY launch_id, position",
            campaign,
        )

    def grants(self) -> Grants:
        """Every grant on record."""
        rows = self._connection.execute("SELECT id, capabilities, syscalls FROM granted").fetchall()
        texts = {mask: _mask_text(mask) for mask in {mask for _, mask, _ in rows}}
        bitmaps = [bitmap for _, _, bitmap in rows if bitmap is not None]
        found = iter(zip(self._set_texts(bitmaps), map(_size, bitmaps), strict=True))
        sets = [(None, None) if bitmap is None else next(found) for _, _, bitmap in rows]
        return Grants(
            places={row: place for place, (row, _, _) in enumerate(rows)},
            capabilities=[texts[mask] for _, mask, _ in rows],
            syscalls=[text for text, _ in sets],
            capability_count=[mask.bit_count() for _, mask, _ in rows],
            syscall_count=[size for _, size in sets],
        )

    def launch_places(self, campaign: int) -> Columns:
        """Of each launch its row, and where it belongs: the number of its trial, its position there."""
        return self._columns(
            "SELECT launch.id AS id, number AS trial, position AS launch "
            "FROM trial JOIN launch ON trial.id = trial_id WHERE campaign_id = ? AND verdict IS NOT NULL",
            campaign,
        )

    def _columns(self, query: str, campaign: int) -> Columns:
        cursor = self._connection.execute(query, (campaign,))
        columns: Columns = {description[0]: [] for description in cursor.description}
        # In parts: the rows of half a million attempts would be in memory beside their columns.
        while rows := cursor.fetchmany(_PART):
            for values, more in zip(columns.values(), zip(*rows, strict=True), strict=True):
                values.extend(more)
        return columns

    def _set_texts(self, bitmaps: Sequence[bytes]) -> list[str]:
        """Sets of system calls as their names in alphabetical order."""
        numbered = self._connection.execute("SELECT number, name FROM syscall ORDER BY name").fetchall()
        names = [name for _, name in numbered]
        size = (len(names) + 7) // 8
        packed = np.frombuffer(b"".join(bitmap.ljust(size, b"\0") for bitmap in bitmaps), dtype=np.uint8)
        bits = np.unpackbits(packed.reshape(len(bitmaps), size), axis=1, bitorder="little")
        # By eights: what eight bits stand for is looked up. Names one by one took six times as long.
        ordered = np.packbits(bits[:, [number for number, _ in numbered]], axis=1, bitorder="little")
        parts = [
            _words(names[8 * index : 8 * index + 8])[ordered[:, index]] for index in range(ordered.shape[1])
        ]
        return ["".join(words)[:-1] for words in zip(*parts, strict=True)] if parts else [""] * len(bitmaps)


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


def _words(names: Sequence[str]) -> np.ndarray:
    """For each byte the names that its bits stand for, lowest first, each with a space behind it."""
    texts = ["".join(f"{name} " for bit, name in enumerate(names) if byte >> bit & 1) for byte in range(256)]
    return np.array(texts, dtype=object)


def _size(bitmap: bytes) -> int:
    return int.from_bytes(bitmap, "little").bit_count()


def _mask_text(mask: int) -> str:
    return " ".join(sorted(from_mask(mask)))
