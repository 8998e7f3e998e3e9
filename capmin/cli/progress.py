"""Progress of a campaign on stderr: phase, trials, the best size so far. Silent when that is no terminal."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from capmin.grant import Grant
from capmin.trial import Trial


class ProgressBar:
    """A `capmin.campaign.Watcher` that draws one line; tqdm's own lock makes it safe in threads."""

    def __init__(self, *, quiet: bool = False) -> None:
        # disable=None: tqdm draws only where stderr is a terminal.
        self._bar = tqdm(
            desc="starting", unit=" trials", file=sys.stderr, disable=True if quiet else None, leave=False
        )

    def phase(self, name: str) -> None:
        self._bar.set_description(name)

    def trial(self, trial: Trial) -> None:
        del trial
        self._bar.update()

    def best(self, grant: Grant) -> None:
        calls = "" if grant.syscalls is None else f", {len(grant.syscalls)} system calls"
        self._bar.set_postfix_str(f"best: {len(grant.capabilities)} capabilities{calls}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
