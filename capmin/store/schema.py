"""The tables of the store, and how an older store gets them."""

import sqlite3
from collections.abc import Sequence

from capmin.errors import UsageError

APPLICATION_ID = 0x6361706D
"""``capm``: what `file` shows, and how a store is told from another SQLite database."""

_FIRST = """
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,               -- hash of what identifies its trials
    image_reference TEXT NOT NULL,
    image_digest TEXT NOT NULL,
    scenario_hash TEXT NOT NULL,
    engine TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    kernel TEXT NOT NULL,
    architecture TEXT NOT NULL,
    denied_errno INTEGER NOT NULL,
    ceiling INTEGER NOT NULL,        -- a mask, as CapBnd in /proc/PID/status
    capmin_version TEXT NOT NULL,
    options TEXT NOT NULL,           -- JSON
    created TEXT NOT NULL,           -- RFC 3339, UTC
    status TEXT NOT NULL,
    result TEXT                      -- JSON: result.json
) STRICT;
CREATE INDEX campaign_key ON campaign (key);

CREATE TABLE scenario (
    campaign_id INTEGER NOT NULL REFERENCES campaign,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,        -- JSON
    PRIMARY KEY (campaign_id, position)
) STRICT, WITHOUT ROWID;

-- Number n is bit n in the sets of system calls below; a name keeps its number.
CREATE TABLE syscall (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Most trials share their grant with their launches, and a set of names as text would take kilobytes.
CREATE TABLE granted (
    id INTEGER PRIMARY KEY,
    capabilities INTEGER NOT NULL,   -- a mask
    syscalls BLOB                    -- a set, little-endian, last byte not 0; NULL: the default filter
) STRICT;
CREATE UNIQUE INDEX granted_content ON granted (capabilities, ifnull(syscalls, 'default'));

CREATE TABLE trial (
    id INTEGER PRIMARY KEY,
    campaign_id INTEGER NOT NULL REFERENCES campaign,
    number INTEGER NOT NULL,         -- from 1, in order, within the campaign
    phase TEXT NOT NULL,
    granted_id INTEGER NOT NULL REFERENCES granted,
    verdict TEXT,                    -- NULL while its launches are under way
    reason TEXT,
    degraded INTEGER,
    UNIQUE (campaign_id, number)
) STRICT;

CREATE TABLE launch (
    id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    position INTEGER NOT NULL,       -- within its trial, from 0
    scenario TEXT NOT NULL,
    granted_id INTEGER NOT NULL REFERENCES granted,
    exit_code INTEGER,
    service_exit_code INTEGER,
    refused TEXT,
    timed_out INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    output ANY NOT NULL,             -- TEXT, or a BLOB: the same compressed by zlib
    probe_output ANY NOT NULL,       -- likewise
    observed INTEGER NOT NULL,       -- whether the engine could tell attempts
    bounding INTEGER,                -- a mask; NULL where what was granted could not be read back
    effective INTEGER,
    seccomp_mode INTEGER,
    no_new_privileges INTEGER
) STRICT;
CREATE INDEX launch_trial ON launch (trial_id, position);

CREATE TABLE attempt (
    launch_id INTEGER NOT NULL REFERENCES launch,
    position INTEGER NOT NULL,
    privilege TEXT NOT NULL,
    syscall TEXT,
    program TEXT NOT NULL,
    errno INTEGER,                   -- NULL: let through
    count INTEGER NOT NULL,
    first_s REAL NOT NULL,
    last_s REAL NOT NULL,
    PRIMARY KEY (launch_id, position)
) STRICT, WITHOUT ROWID;
CREATE VIEW denial AS SELECT * FROM attempt WHERE errno IS NOT NULL;

CREATE TABLE certificate (
    id INTEGER PRIMARY KEY,
    campaign_id INTEGER NOT NULL REFERENCES campaign,
    privilege TEXT NOT NULL,
    trial INTEGER NOT NULL,          -- its number
    denied TEXT,
    evidence TEXT NOT NULL
) STRICT;
CREATE INDEX certificate_campaign ON certificate (campaign_id);
"""

_PHASES = """
ALTER TABLE launch ADD COLUMN stalled_s REAL NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN programs TEXT NOT NULL DEFAULT '[]';  -- JSON: pairs of a name and a user
ALTER TABLE launch ADD COLUMN spawned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN ended_in TEXT NOT NULL DEFAULT '';    -- of the scenario, in which it ended
ALTER TABLE launch ADD COLUMN trouble TEXT;
ALTER TABLE launch ADD COLUMN phases_s TEXT NOT NULL DEFAULT '[]';  -- JSON: pairs of a phase and seconds
ALTER TABLE launch ADD COLUMN waited_s REAL NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN answers ANY NOT NULL DEFAULT '[]';    -- JSON: phase, source, text; as output
"""

_ONE_BY_ONE = """
-- Launches come on record before their trial has a verdict: two processes that make one are told apart.
DROP INDEX launch_trial;
CREATE UNIQUE INDEX launch_trial ON launch (trial_id, position);
ALTER TABLE certificate ADD COLUMN presumed INTEGER NOT NULL DEFAULT 0;
"""

_ENDS = """
ALTER TABLE launch ADD COLUMN ends ANY NOT NULL DEFAULT '[]';       -- JSON: program, code, denied, at_s
-- The system calls that were seen where they were granted, too; NULL: none.
ALTER TABLE launch ADD COLUMN watched_id INTEGER REFERENCES granted;
"""

MIGRATIONS: Sequence[str] = (_FIRST, _PHASES, _ONE_BY_ONE, _ENDS)
"""Step n leads from version n to n + 1. A step that was released is never changed: add one."""


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the tables up to date, within the transaction under way.

    Raises:
        UsageError: the file is not a store of capmin's, or one of a later version of it.
    """
    version = _pragma(connection, "user_version")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise UsageError("it is a database, but not a store of capmin")
    if version and _pragma(connection, "application_id") != APPLICATION_ID:
        raise UsageError("it is a database, but not a store of capmin")
    if version > len(migrations):
        raise UsageError(f"a later capmin made it (version {version}, this one knows {len(migrations)})")
    if version == len(migrations):
        return
    for script in migrations[version:]:
        for statement in _statements(script):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _statements(script: str) -> list[str]:
    """The statements of a script: ``executescript`` would end the transaction first."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
