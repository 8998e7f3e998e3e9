"""The SQLite file: opened, shared between threads and processes, its errors told as capmin's."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from capmin.errors import EngineError, UsageError
from capmin.store.schema import migrate

BUSY_S = 30.0
"""How long a process waits for another to end its transaction, which takes milliseconds."""


class Database:
    """One connection, used by one thread at a time.

    Write-ahead logging with ``synchronous=NORMAL``: a commit survives the end of the process, however
    sudden, and the file is never corrupted; a power cut may take the last commits with it
    (sqlite.org/pragma.html#pragma_synchronous). Those few launches are then made again, which is cheaper
    than a sync of the disk after each.

    Args:
        path: the file, made if need be, or ``:memory:``.

    Raises:
        UsageError: it cannot be opened or written to, or is something else.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self._prepare()
        except (sqlite3.Error, UsageError) as error:
            self.close()
            raise self._unusable(error) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on record at the end of the block, or none of it.

        Raises:
            EngineError: it cannot be written; what was committed before is safe.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of one moment, whatever others write meanwhile.

        Raises:
            EngineError: it cannot be read.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute(begin)
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise self._broken(error) from error
                raise

    def _roll_back(self) -> None:
        # Some errors, a full disk among them, have ended the transaction already.
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection)
        # A read-only file may be opened and even locked; only a write tells. This one changes nothing.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")

    def _unusable(self, error: Exception) -> UsageError:
        return UsageError(f"cannot use the store {self._path}: {error}; name another file with --store")

    def _broken(self, error: sqlite3.Error) -> EngineError:
        return EngineError(
            f"the store {self._path} fails: {error}\n"
            "What was recorded before is kept: put the disk right and go on with --resume"
        )
