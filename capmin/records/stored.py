"""Frames made from a store's columns."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from capmin.frames import ATTEMPTS, LAUNCHES, TRIALS, Table
from capmin.frames.columns import FLAG, TEXT, Column
from capmin.store.columns import Columns, Grants, StoreReader, reading


class StoredCampaign:
    """One campaign of a store as frames, less the column of the campaign.

    Columns get their types as they are made: letting pandas find out first took as long as all the rest.
    """

    def __init__(self, path: Path, row: int) -> None:
        self._path = path
        self._row = row

    def trials(self) -> pd.DataFrame:
        """The columns of `capmin.frames.TRIALS`."""
        with self._reading() as reader:
            columns = reader.trials(self._row)
        sets = ("capabilities", "syscalls", "capability_count", "syscall_count")
        return _frame(columns | self._grants.columns(columns["granted_id"], sets), TRIALS)

    def launches(self) -> pd.DataFrame:
        """The columns of `capmin.frames.LAUNCHES`."""
        with self._reading() as reader:
            columns = reader.launches(self._row)
        sets = ("capabilities", "syscalls")
        return _frame(columns | self._grants.columns(columns["granted_id"], sets), LAUNCHES)

    def attempts(self) -> pd.DataFrame:
        """The columns of `capmin.frames.ATTEMPTS`."""
        with self._reading() as reader:
            columns = reader.attempts(self._row)
            launches = pd.DataFrame(reader.launch_places(self._row)).set_index("id")
        places = launches.loc[columns.pop("launch_id")]
        names = {number: errno.errorcode[number] for number in {*columns["errno"]} - {None}}
        columns["errno"] = [names.get(number) for number in columns["errno"]]
        kinds = {
            name: "capability" if name.startswith("CAP_") else "syscall" for name in {*columns["privilege"]}
        }
        columns["kind"] = [kinds[name] for name in columns["privilege"]]
        frame = _frame(columns, ATTEMPTS).assign(
            trial=places["trial"].to_numpy(), launch=places["launch"].to_numpy()
        )
        return _in_order(frame)

    @contextmanager
    def _reading(self) -> Iterator[StoreReader]:
        with reading(self._path) as reader:
            yield reader

    @cached_property
    def _grants(self) -> Grants:
        with self._reading() as reader:
            return reader.grants()


def _frame(columns: Columns, table: Table) -> pd.DataFrame:
    """The columns that a table has, with their types."""
    known = {name: column for name, column in table.items() if name in columns}
    return pd.DataFrame({name: _series(columns[name], column) for name, column in known.items()})


def _series(values: Sequence[object], column: Column) -> pd.Series:
    if column.categorical:
        # Half a million texts take a fifth of the time so that categories found in an array of texts take.
        codes, found = pd.factorize(np.array(values, dtype=object), sort=True)
        return pd.Series(
            pd.Categorical.from_codes(codes, categories=pd.Index(pd.Series(found, dtype=TEXT))),
            dtype=column.dtype,
        )
    if column.dtype == FLAG:  # SQLite has no truth values
        values = [None if value is None else bool(value) for value in values]
    return pd.Series(values, dtype=column.dtype)


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """By trial and launch, as recorded; most often they are already."""
    keys = frame["trial"].to_numpy() * (1 << 20) + frame["launch"].to_numpy(dtype=np.int64)
    if (np.diff(keys) >= 0).all():
        return frame
    return frame.iloc[np.argsort(keys, kind="stable")].reset_index(drop=True)
