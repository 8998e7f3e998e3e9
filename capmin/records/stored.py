"""Frames made from a store's columns.

Columns go through Arrow, which has what a frame holds in one piece of memory: pandas takes twice as long to
make the same of Python's values.
"""

import errno
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from capmin.frames import ATTEMPTS, LAUNCHES, TRIALS, Table
from capmin.frames.columns import FLAG, INTEGER, REAL, TEXT
from capmin.records import sets
from capmin.store.columns import Columns, reading

Arrays = dict[str, pa.Array]

_IN_ARROW = {TEXT: pa.large_string(), INTEGER: pa.int64(), REAL: pa.float64(), FLAG: pa.bool_()}
_IN_PANDAS = {arrow: dtype for dtype, arrow in _IN_ARROW.items()}


class StoredCampaign:
    """One campaign of a store as frames, less the column of the campaign, and its categories as text."""

    def __init__(self, path: Path, row: int) -> None:
        self._path = path
        self._row = row

    def trials(self) -> pd.DataFrame:
        """The columns of `capmin.frames.TRIALS`."""
        with reading(self._path) as reader:
            arrays, names = _arrays(reader.trials(self._row)), reader.syscalls()
        sizes = {
            "capability_count": sets.each(arrays["capabilities"], int.bit_count, pa.int64()),
            "syscall_count": sets.each(arrays["syscalls"], _size, pa.int64()),
        }
        return _frame(arrays | sizes | _granted(arrays, names), TRIALS)

    def launches(self) -> pd.DataFrame:
        """The columns of `capmin.frames.LAUNCHES`."""
        with reading(self._path) as reader:
            arrays, names = _arrays(reader.launches(self._row)), reader.syscalls()
        read_back = {name: sets.capability_texts(arrays[name]) for name in ("bounding", "effective")}
        return _frame(arrays | read_back | _granted(arrays, names), LAUNCHES)

    def attempts(self) -> pd.DataFrame:
        """The columns of `capmin.frames.ATTEMPTS`."""
        with reading(self._path) as reader:
            arrays = _arrays(reader.attempts(self._row))
        told = {
            "kind": sets.each(arrays["privilege"], _kind, sets.TEXT),
            "errno": sets.each(arrays["errno"], errno.errorcode.__getitem__, sets.TEXT),
        }
        return _frame(arrays | told, ATTEMPTS)


def _arrays(columns: Columns) -> Arrays:
    return {name: pa.array(values) for name, values in columns.items()}


def _granted(arrays: Arrays, names: tuple[str, ...]) -> Arrays:
    return {
        "capabilities": sets.capability_texts(arrays["capabilities"]),
        "syscalls": sets.syscall_texts(arrays["syscalls"], names),
    }


def _frame(arrays: Mapping[str, pa.Array], table: Table) -> pd.DataFrame:
    """The columns that a table has, with their types."""
    known = {
        name: arrays[name].cast(_IN_ARROW[column.plain]) for name, column in table.items() if name in arrays
    }
    frame: pd.DataFrame = pa.table(known).to_pandas(types_mapper=_IN_PANDAS.get)
    return frame


def _size(bitmap: bytes) -> int:
    return int.from_bytes(bitmap, "little").bit_count()


def _kind(privilege: str) -> str:
    return "capability" if privilege.startswith("CAP_") else "syscall"
