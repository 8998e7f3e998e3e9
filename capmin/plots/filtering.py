"""Which trials had a filter of their own."""

import pandas as pd

OBSERVE = "observe"
"""The phase in which system calls are watched and all let through, whatever the grant says."""


def as_filtered(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials, those that only observed without system calls of their own.

    Their grants hold the calls already known, which need no watching: the first has none, and works.
    """
    observing = trials["phase"] == OBSERVE
    about_syscalls = [name for name in ("syscalls", "syscall_count") if name in trials]
    return trials.assign(**{name: trials[name].mask(observing) for name in about_syscalls})
