"""The tables: the name, type and meaning of every column, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from capmin.errors import UsageError
from capmin.trial import Verdict

TEXT, CATEGORY = pd.StringDtype(), pd.CategoricalDtype()
INTEGER, REAL, FLAG = pd.Int64Dtype(), pd.Float64Dtype(), pd.BooleanDtype()

VERDICTS = pd.CategoricalDtype([verdict.value for verdict in Verdict])
KINDS = pd.CategoricalDtype(["capability", "syscall"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column: its pandas type, and what it holds, with the unit where there is one."""

    dtype: ExtensionDtype
    about: str

    @property
    def textual(self) -> bool:
        return self.categorical or self.dtype == TEXT

    @property
    def categorical(self) -> bool:
        return isinstance(self.dtype, pd.CategoricalDtype)

    @property
    def plain(self) -> ExtensionDtype:
        """The type without categories."""
        return TEXT if self.textual else self.dtype

    def cast(self, values: pd.Series) -> pd.Series:
        """Values with this column's type."""
        # Categories have a type too, that of the values they are found in: text, also where there are none.
        return values if self._fits(values) else values.astype(self.plain).astype(self.dtype)

    def _fits(self, values: pd.Series) -> bool:
        """Whether values have this type already: the sets of 100,000 trials take a second to copy."""
        if self.dtype != CATEGORY:
            return bool(values.dtype == self.dtype)
        array = values.array
        if not isinstance(array, pd.Categorical) or array.categories.dtype != TEXT:
            return False
        used = np.unique(array.codes[array.codes >= 0])
        return bool(array.categories.is_monotonic_increasing) and len(used) == len(array.categories)


Table = Mapping[str, Column]

_CAMPAIGN = Column(dtype=CATEGORY, about="which campaign; empty where there is one only")
_TRIAL = Column(dtype=INTEGER, about="number of the trial in its campaign, from 1")
_LAUNCH = Column(dtype=INTEGER, about="position of the launch in its trial, from 0")

TRIALS: Table = {
    "campaign": _CAMPAIGN,
    "trial": _TRIAL,
    "phase": Column(dtype=CATEGORY, about="part of the campaign that asked"),
    "verdict": Column(dtype=VERDICTS, about="works, breaks, unresolved"),
    "degraded": Column(dtype=FLAG, about="it works, but badly"),
    "reason": Column(dtype=TEXT, about="one line on the verdict"),
    "capabilities": Column(dtype=TEXT, about="set: capabilities granted"),
    "syscalls": Column(dtype=TEXT, about="set: system calls granted above the floor; NA: default filter"),
    "capability_count": Column(dtype=INTEGER, about="capabilities granted"),
    "syscall_count": Column(dtype=INTEGER, about="system calls granted above the floor; NA: default filter"),
    "launch_count": Column(dtype=INTEGER, about="launches made"),
    "denial_count": Column(dtype=INTEGER, about="denied attempts, all launches together; NA: not observed"),
    "duration_s": Column(dtype=REAL, about="seconds, all launches together"),
}

LAUNCHES: Table = {
    "campaign": _CAMPAIGN,
    "trial": _TRIAL,
    "launch": _LAUNCH,
    "scenario": Column(dtype=CATEGORY, about="which scenario was played"),
    "capabilities": TRIALS["capabilities"],
    "syscalls": TRIALS["syscalls"],
    "exit_code": Column(dtype=INTEGER, about="the test's, 0 to 255; NA: it did not end"),
    "service_exit_code": Column(dtype=INTEGER, about="the service's, where it ended though it should not"),
    "timed_out": Column(dtype=FLAG, about="ended by the time limit"),
    "refused": Column(dtype=TEXT, about="the runtime's words where it could not start the program"),
    "ended_in": Column(dtype=CATEGORY, about="the phase of the scenario in which it ended"),
    "trouble": Column(dtype=TEXT, about="what went wrong in that phase, but for exit codes and time limits"),
    "duration_s": Column(dtype=REAL, about="seconds"),
    "stalled_s": Column(
        dtype=REAL, about="seconds of these in which a task of the host waited for a processor"
    ),
    "waited_s": Column(
        dtype=REAL, about="seconds of these in which a success was waited for that did not come"
    ),
    "spawned": Column(dtype=INTEGER, about="processes seen in a service"),
    "denial_count": Column(dtype=INTEGER, about="denied attempts; NA: not observed"),
    "bounding": Column(dtype=TEXT, about="set: capabilities in CapBnd, read back; NA: could not be read"),
    "effective": Column(dtype=TEXT, about="set: capabilities in CapEff, read back"),
    "seccomp_mode": Column(dtype=INTEGER, about="Seccomp of /proc/PID/status: 0 none, 2 filter"),
    "no_new_privileges": Column(dtype=FLAG, about="NoNewPrivs of /proc/PID/status"),
    "output": Column(dtype=TEXT, about="the container's output, the last part"),
    "probe_output": Column(dtype=TEXT, about="the output of the last probe beside a service"),
}

ATTEMPTS: Table = {
    "campaign": _CAMPAIGN,
    "trial": _TRIAL,
    "launch": _LAUNCH,
    "kind": Column(dtype=KINDS, about="capability or syscall"),
    "privilege": Column(dtype=CATEGORY, about="what was attempted to be used"),
    "syscall": Column(dtype=CATEGORY, about="the call in which it was; NA: not known"),
    "program": Column(dtype=CATEGORY, about="which program did"),
    "errno": Column(dtype=CATEGORY, about="what it was answered with (EPERM); NA: let through"),
    "count": Column(dtype=INTEGER, about="how many alike"),
    "first_s": Column(dtype=REAL, about="seconds from the start of the program to the first"),
    "last_s": Column(dtype=REAL, about="seconds from the start of the program to the last"),
}

CERTIFICATE: Table = {
    "campaign": _CAMPAIGN,
    "kind": ATTEMPTS["kind"],
    "privilege": Column(dtype=CATEGORY, about="what is kept"),
    "trial": Column(dtype=INTEGER, about="number of the trial that failed for want of it"),
    "denied": Column(dtype=CATEGORY, about="the system call refused there; NA: not seen"),
    "evidence": Column(dtype=TEXT, about="what the program printed then"),
}


def check(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The frame itself, once it is known to have every column of a table.

    Raises:
        UsageError: it has not; the message names what is missing.
    """
    missing = [name for name in table if name not in frame.columns]
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        raise UsageError(f"the data lacks the {noun} {', '.join(missing)}")
    return frame


def typed(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The columns of a table, in its order and with its types."""
    columns = check(frame, table)
    return pd.DataFrame({name: column.cast(columns[name]) for name, column in table.items()})


def concat(frames: Sequence[pd.DataFrame], table: Table) -> pd.DataFrame:
    """Frames of several campaigns as one: categories that differ would make plain text of a column."""
    texts = {name: TEXT for name, column in table.items() if column.categorical}
    plain = [check(frame, table).astype(texts) for frame in frames]
    empty = pd.DataFrame({name: [] for name in table})
    return typed(pd.concat(plain, ignore_index=True) if plain else empty, table)
