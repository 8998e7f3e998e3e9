"""Frames as Parquet and CSV, and back, equal."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from capmin.errors import UsageError
from capmin.frames.columns import TEXT, Table, check, typed

MISSING_TEXT = r"\N"
"""How CSV tells a missing text from an empty one: the sign that PostgreSQL and MySQL use."""


def to_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame, with its types.

    Raises:
        UsageError: it cannot be written there.
    """
    with _at(path, "write"):
        frame.to_parquet(path, index=False)


def from_parquet(path: Path, table: Table) -> pd.DataFrame:
    """Read a frame, equal to what was written.

    Raises:
        UsageError: it cannot be read, or lacks a column.
    """
    with _at(path, "read"):
        return typed(pd.read_parquet(path), table)


def to_csv(frame: pd.DataFrame, path: Path, table: Table) -> None:
    r"""Write a frame as UTF-8 with a header; a missing number is empty, a missing text ``\N``.

    Raises:
        UsageError: it cannot be written there.
    """
    missing = {name: MISSING_TEXT for name, column in table.items() if column.textual}
    plain = check(frame, table).astype(dict.fromkeys(missing, TEXT)).fillna(missing)
    with _at(path, "write"):
        # Texts are quoted, as csv would write a lone carriage return bare, which pandas reads as a new row.
        plain.to_csv(path, index=False, encoding="utf-8", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def from_csv(path: Path, table: Table) -> pd.DataFrame:
    """Read a frame, equal to what was written.

    Raises:
        UsageError: it cannot be read, or lacks a column.
    """
    types = {name: column.plain for name, column in table.items()}
    missing = {name: [MISSING_TEXT] if column.textual else [""] for name, column in table.items()}
    with _at(path, "read"):
        frame = pd.read_csv(path, dtype=types, na_values=missing, keep_default_na=False, encoding="utf-8")
        return typed(frame, table)


@contextmanager
def _at(path: Path, verb: str) -> Iterator[None]:
    """Tell what befalls a file as a usage error with its name in it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot {verb} {path}: {error.strerror or error}") from error
    except (UsageError, ValueError) as error:
        # pandas and pyarrow derive their own errors from ValueError.
        raise UsageError(f"cannot {verb} {path}: {error}") from error
