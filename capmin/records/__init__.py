"""What searches left on disk, as data frames: one result, one store, or a folder of many."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from capmin import frames
from capmin.errors import UsageError
from capmin.frames.columns import concat, typed
from capmin.records import written
from capmin.records.campaigns import CAMPAIGNS, campaigns_frame
from capmin.records.sources import RESULT, Source, find
from capmin.records.stored import StoredCampaign
from capmin.store.columns import reading

__all__ = ["CAMPAIGNS", "Records", "load"]


class Records:
    """Campaigns on record; a frame is read when it is first asked for. Made by `load`.

    Trials and certificates are there for each campaign; launches and attempts only where its store is.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._stored = [
            None if source.store is None else StoredCampaign(source.store, source.row) for source in sources
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The campaigns, as the column ``campaign`` has them."""
        return tuple(source.name for source in self._sources)

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """The result documents (``result.json``) of the campaigns that have one."""
        return {source.name: source.result for source in self._sources if source.result is not None}

    @property
    def has_launches(self) -> bool:
        """Whether the launches of every campaign are on record too."""
        return all(source.store is not None for source in self._sources)

    def only(self, name: str) -> "Records":
        """One campaign of these.

        Raises:
            UsageError: there is none of that name.
        """
        chosen = [source for source in self._sources if source.name == name]
        if not chosen:
            raise UsageError(f"no campaign {name!r}; there are: {', '.join(self.names)}")
        return Records(chosen)

    def each(self) -> "Iterator[Records]":
        """One after the other."""
        return (Records([source]) for source in self._sources)

    @cached_property
    def campaigns(self) -> pd.DataFrame:
        """One row a campaign that has a result (`CAMPAIGNS`)."""
        return campaigns_frame(self.results)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial (`capmin.frames.TRIALS`)."""
        return self._gather(frames.TRIALS, StoredCampaign.trials, written.trials)

    @cached_property
    def launches(self) -> pd.DataFrame:
        """One row a launch (`capmin.frames.LAUNCHES`)."""
        return self._gather(frames.LAUNCHES, StoredCampaign.launches)

    @cached_property
    def attempts(self) -> pd.DataFrame:
        """One row an attempt, denied or let through (`capmin.frames.ATTEMPTS`)."""
        return self._gather(frames.ATTEMPTS, StoredCampaign.attempts)

    @cached_property
    def denials(self) -> pd.DataFrame:
        """One row an attempt that was denied (`capmin.frames.ATTEMPTS`)."""
        return self.attempts[self.attempts["errno"].notna()].reset_index(drop=True)

    @cached_property
    def certificate(self) -> pd.DataFrame:
        """One row a privilege kept (`capmin.frames.CERTIFICATE`)."""
        parts = [
            frames.certificate_frame(written.certificate(source.result), campaign=source.name)
            for source in self._sources
            if source.result is not None
        ]
        return parts[0] if len(parts) == 1 else concat(parts, frames.CERTIFICATE)

    @cached_property
    def scenarios(self) -> tuple[Mapping[str, Any], ...]:
        """The scenarios as they were defined, one campaign after the other; none where its store is not."""
        found: list[Mapping[str, Any]] = []
        for source in self._sources:
            if source.store is not None:
                with reading(source.store) as reader:
                    found += reader.scenarios(source.row)
        return tuple(found)

    def _gather(
        self,
        table: frames.Table,
        from_store: Callable[[StoredCampaign], pd.DataFrame],
        from_files: Callable[[Source], pd.DataFrame | None] | None = None,
    ) -> pd.DataFrame:
        parts = []
        for source, stored in zip(self._sources, self._stored, strict=True):
            part: pd.DataFrame | None = None
            if stored is not None:
                part = from_store(stored)
            elif from_files is not None:
                part = from_files(source)
            if part is not None:
                parts.append(typed(part.assign(campaign=source.name), table))
        return parts[0] if len(parts) == 1 else concat(parts, table)


def load(path: Path | str) -> Records:
    """The records in an output directory, a ``result.json``, a store, or a folder of many of these.

    Campaigns are called as their directories; those of a store file as their images.

    Raises:
        UsageError: nothing is there, or it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"there is no {path}: name the output directory of a capmin search")
    sources = find(path)
    if not sources:
        raise UsageError(
            f"nothing of capmin search in {path}: name a directory that has a {RESULT}, or a folder of such"
        )
    return Records(sources)
