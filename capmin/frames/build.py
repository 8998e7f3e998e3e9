"""Trials, launches, attempts and certificates as frames, built column by column."""

import errno
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from capmin.frames.columns import ATTEMPTS, CERTIFICATE, LAUNCHES, TRIALS, Table
from capmin.grant import Grant
from capmin.result import CertificateEntry
from capmin.trial import Attempt, Granted, Launch, Trial

Columns = dict[str, list[object]]


def trials_frame(trials: Iterable[Trial], *, campaign: str = "") -> pd.DataFrame:
    """One row a trial (`TRIALS`)."""
    rows = list(trials)
    sets = _SetTexts()
    columns: Columns = {
        "trial": [trial.number for trial in rows],
        "phase": [trial.phase for trial in rows],
        "verdict": [trial.verdict.value for trial in rows],
        "degraded": [trial.degraded for trial in rows],
        "reason": [trial.reason for trial in rows],
        **_grant_columns([trial.grant for trial in rows], sets),
        "capability_count": [len(trial.grant.capabilities) for trial in rows],
        "syscall_count": [_size(trial.grant.syscalls) for trial in rows],
        "launch_count": [len(trial.launches) for trial in rows],
        "denial_count": [_denial_count(trial.launches) for trial in rows],
        "duration_s": [trial.duration_s for trial in rows],
    }
    return _frame(columns, TRIALS, campaign)


def launches_frame(trials: Iterable[Trial], *, campaign: str = "") -> pd.DataFrame:
    """One row a launch (`LAUNCHES`)."""
    rows = [(trial.number, index, launch) for trial in trials for index, launch in enumerate(trial.launches)]
    launches = [launch for _, _, launch in rows]
    sets = _SetTexts()
    columns: Columns = {
        "trial": [number for number, _, _ in rows],
        "launch": [index for _, index, _ in rows],
        **_grant_columns([launch.grant for launch in launches], sets),
        **_attributes(
            launches,
            "scenario exit_code service_exit_code timed_out refused trouble duration_s stalled_s waited_s "
            "spawned output probe_output",
        ),
        "ended_in": [launch.phase for launch in launches],
        "denial_count": [_denial_count([launch]) for launch in launches],
        **_granted_columns([launch.granted for launch in launches], sets),
    }
    return _frame(columns, LAUNCHES, campaign)


def attempts_frame(trials: Iterable[Trial], *, campaign: str = "") -> pd.DataFrame:
    """One row an attempt, denied or let through (`ATTEMPTS`)."""
    return _attempts_frame(trials, lambda _: True, campaign)


def denials_frame(trials: Iterable[Trial], *, campaign: str = "") -> pd.DataFrame:
    """One row a denial: an attempt that was denied (`ATTEMPTS`)."""
    return _attempts_frame(trials, lambda attempt: attempt.denied, campaign)


def certificate_frame(entries: Iterable[CertificateEntry], *, campaign: str = "") -> pd.DataFrame:
    """One row a privilege kept (`CERTIFICATE`)."""
    rows = list(entries)
    columns: Columns = {
        "kind": [_kind(entry.privilege) for entry in rows],
        **_attributes(rows, "privilege trial denied evidence"),
    }
    return _frame(columns, CERTIFICATE, campaign)


def members(text: str) -> frozenset[str]:
    """The members of a set, as a cell holds it."""
    return frozenset(text.split())


class _SetTexts:
    """Sets as text, each made once: a campaign has few sets of capabilities, and launches share grants."""

    def __init__(self) -> None:
        self._texts: dict[frozenset[str], str] = {}

    def __call__(self, names: frozenset[str] | None) -> str | None:
        if names is None:
            return None
        text = self._texts.get(names)
        if text is None:
            text = self._texts[names] = " ".join(sorted(names))
        return text


def _attempts_frame(
    trials: Iterable[Trial], wanted: Callable[[Attempt], bool], campaign: str
) -> pd.DataFrame:
    rows = [
        (trial.number, index, attempt)
        for trial in trials
        for index, launch in enumerate(trial.launches)
        for attempt in launch.attempts or ()
        if wanted(attempt)
    ]
    attempts = [attempt for _, _, attempt in rows]
    columns: Columns = {
        "trial": [number for number, _, _ in rows],
        "launch": [index for _, index, _ in rows],
        "kind": [_kind(attempt.privilege) for attempt in attempts],
        **_attributes(attempts, "privilege syscall program count first_s last_s"),
        "errno": [None if a.errno is None else errno.errorcode[a.errno] for a in attempts],
    }
    return _frame(columns, ATTEMPTS, campaign)


def _grant_columns(grants: Sequence[Grant], sets: _SetTexts) -> Columns:
    return {
        "capabilities": [sets(grant.capabilities) for grant in grants],
        "syscalls": [sets(grant.syscalls) for grant in grants],
    }


def _granted_columns(granted: Sequence[Granted | None], sets: _SetTexts) -> Columns:
    return {
        "bounding": [None if each is None else sets(each.bounding) for each in granted],
        "effective": [None if each is None else sets(each.effective) for each in granted],
        "seccomp_mode": [None if each is None else each.seccomp_mode for each in granted],
        "no_new_privileges": [None if each is None else each.no_new_privileges for each in granted],
    }


def _attributes(values: Sequence[object], names: str) -> Columns:
    """Columns that are called as what they hold."""
    return {name: [getattr(value, name) for value in values] for name in names.split()}


def _frame(columns: Columns, table: Table, campaign: str) -> pd.DataFrame:
    count = len(columns["trial"])
    series = {
        name: column.cast(pd.Series(columns.get(name, [campaign] * count), dtype=column.plain))
        for name, column in table.items()
    }
    return pd.DataFrame(series)


def _size(names: frozenset[str] | None) -> int | None:
    return None if names is None else len(names)


def _kind(privilege: str) -> str:
    return "capability" if privilege.startswith("CAP_") else "syscall"


def _denial_count(launches: Sequence[Launch]) -> int | None:
    """Denied attempts, those alike counted as often as they were made."""
    seen = [launch.attempts for launch in launches if launch.attempts is not None]
    if not seen:
        return None
    return sum(attempt.count for attempts in seen for attempt in attempts if attempt.denied)
