"""Progress of a campaign on stderr: phase, trials, the best size so far. Silent when that is no terminal."""

import logging
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from capmin.grant import Grant
from capmin.trial import Trial


class ProgressBar:
    """A `capmin.campaign.Watcher` that draws one line; tqdm's own lock makes it safe in threads.

    What is logged meanwhile is written above the line.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        # disable=None: tqdm draws only where stderr is a terminal.
        self._bar = tqdm(
            desc="starting",
            file=sys.stderr,
            disable=True if quiet else None,
            leave=False,
            dynamic_ncols=True,
            bar_format="{desc}: {n_fmt} trials, {elapsed}{postfix}",
        )
        self._redirect = ExitStack()

    def phase(self, name: str) -> None:
        self._bar.set_description_str(name)

    def trial(self, trial: Trial) -> None:
        del trial
        self._bar.update()

    def best(self, grant: Grant) -> None:
        calls = "" if grant.syscalls is None else f", {len(grant.syscalls)} system calls"
        self._bar.set_postfix_str(f"best: {len(grant.capabilities)} capabilities{calls}")

    def __enter__(self) -> Self:
        if not self._bar.disable:
            self._redirect.enter_context(logging_redirect_tqdm([logging.getLogger("capmin")]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redirect.close()
        self._bar.close()
