"""Frames made from a store's columns."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from capmin.frames import ATTEMPTS, LAUNCHES, TRIALS, Table
from capmin.frames.columns import INTEGER, TEXT
from capmin.store.columns import Columns, StoreReader, reading


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
        launches = self._launches.groupby("trial_id")
        of_launches = pd.DataFrame(
            {
                "launch_count": launches.size(),
                "duration_s": launches["duration_s"].sum(),
                # Where no launch was observed the sum is missing, not 0.
                "denial_count": launches["denial_count"].sum(min_count=1),
            }
        ).reindex(columns["id"])
        return _frame(columns, TRIALS).assign(
            launch_count=of_launches["launch_count"].fillna(0).to_numpy(),
            duration_s=of_launches["duration_s"].fillna(0.0).to_numpy(),
            denial_count=of_launches["denial_count"].array,
            **self._grants(columns, ["capabilities", "syscalls", "capability_count", "syscall_count"]),
        )

    def launches(self) -> pd.DataFrame:
        """The columns of `capmin.frames.LAUNCHES`."""
        with self._reading() as reader:
            columns = reader.launches(self._row)
        places = self._launches.set_index("id").loc[columns["id"]]
        frame = _frame(columns, LAUNCHES).assign(
            trial=places["trial"].to_numpy(),
            denial_count=places["denial_count"].array,
            **self._grants(columns, ["capabilities", "syscalls"]),
        )
        return _in_order(frame)

    def attempts(self) -> pd.DataFrame:
        """The columns of `capmin.frames.ATTEMPTS`."""
        with self._reading() as reader:
            columns = reader.attempts(self._row)
        places = self._launches.set_index("id").loc[columns.pop("launch_id")]
        names = {number: errno.errorcode[number] for number in {*columns["errno"]} - {None}}
        kinds = {True: "capability", False: "syscall"}
        columns["errno"] = [names.get(number) for number in columns["errno"]]
        columns["kind"] = [kinds[name.startswith("CAP_")] for name in columns["privilege"]]
        frame = _frame(columns, ATTEMPTS).assign(
            trial=places["trial"].to_numpy(), launch=places["launch"].to_numpy()
        )
        return _in_order(frame)

    @contextmanager
    def _reading(self) -> Iterator[StoreReader]:
        with reading(self._path) as reader:
            yield reader

    @cached_property
    def _launches(self) -> pd.DataFrame:
        """Of each launch its row, its place, its time, and its denials; missing where not observed."""
        with self._reading() as reader:
            frame = pd.DataFrame(reader.launch_places(self._row))
            counts = pd.Series(reader.denials(self._row), dtype=INTEGER)
        denials = counts.reindex(frame["id"], fill_value=0).array
        observed = frame["observed"].astype(bool).to_numpy()
        return frame.assign(denial_count=pd.Series(denials).where(observed))

    @cached_property
    def _granted(self) -> pd.DataFrame:
        """Every grant of the store by its row: two sets, and how large they are."""
        with self._reading() as reader:
            grants = reader.grants()
        capabilities = [grant.capabilities for grant in grants.values()]
        syscalls = [grant.syscalls for grant in grants.values()]
        sizes = [None if text is None else _size(text) for text in syscalls]
        return pd.DataFrame(
            {
                "capabilities": pd.array(capabilities, dtype=TEXT),
                "syscalls": pd.array(syscalls, dtype=TEXT),
                "capability_count": pd.array([_size(text) for text in capabilities], dtype=INTEGER),
                "syscall_count": pd.array(sizes, dtype=INTEGER),
            },
            index=pd.Index(list(grants), dtype=np.int64),
        )

    def _grants(self, columns: Columns, names: list[str]) -> dict[str, pd.api.extensions.ExtensionArray]:
        places = self._granted.index.get_indexer(pd.Index(columns["granted_id"], dtype=np.int64))
        return {name: self._granted[name].array.take(places) for name in names}


def _frame(columns: Columns, table: Table) -> pd.DataFrame:
    """The columns that a table has, without categories as yet."""
    known = {name: column for name, column in table.items() if name in columns}
    return pd.DataFrame(
        {
            name: pd.Series(_plain(columns[name], column.dtype), dtype=column.plain)
            for name, column in known.items()
        }
    )


def _plain(values: list[object], dtype: object) -> list[object]:
    """SQLite has no truth values."""
    if dtype == pd.BooleanDtype():
        return [None if value is None else bool(value) for value in values]
    return values


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """By trial and launch, as recorded; most often they are already."""
    keys = frame["trial"].to_numpy() * (1 << 20) + frame["launch"].to_numpy(dtype=np.int64)
    if (np.diff(keys) >= 0).all():
        return frame
    return frame.iloc[np.argsort(keys, kind="stable")].reset_index(drop=True)


def _size(text: str) -> int:
    return text.count(" ") + bool(text)
