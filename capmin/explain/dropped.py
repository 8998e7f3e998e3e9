"""Why a privilege could go: never used, or used and harmless when denied."""

from collections.abc import Iterator

import pandas as pd

from capmin.explain.evidence import Evidence
from capmin.explain.model import Fate, Reason
from capmin.privileges import Privilege
from capmin.records.written import as_privilege


def dropped(evidence: Evidence) -> Iterator[Reason]:
    """A reason for each privilege that the search took away, capabilities first."""
    searched: list[tuple[frozenset[str], bool]] = []
    if evidence.result["capabilities"] is not None:
        searched.append((evidence.capabilities, evidence.saw_capabilities))
    if evidence.result["syscalls"] is not None:
        searched.append((evidence.syscalls, evidence.saw_syscalls))
    attempts = dict(list(evidence.records.attempts.groupby("privilege", observed=True)))
    for names, watched in searched:
        for name in sorted(names - evidence.required):
            yield _reason(evidence, name, attempts.get(name), watched=watched)


def outside(evidence: Evidence, privilege: Privilege) -> Reason:
    """The reason for a privilege on which the search had not to decide."""
    if privilege in evidence.floor:
        return Reason(privilege=privilege, fate=Fate.FLOOR)
    not_searched = evidence.result["capabilities" if privilege.startswith("CAP_") else "syscalls"] is None
    return Reason(privilege=privilege, fate=Fate.UNKNOWN if not_searched else Fate.WITHHELD)


def _reason(evidence: Evidence, name: str, attempts: pd.DataFrame | None, *, watched: bool) -> Reason:
    privilege = as_privilege(name)
    if not watched:
        return Reason(privilege=privilege, fate=Fate.UNKNOWN)
    if attempts is None:
        return Reason(privilege=privilege, fate=Fate.UNUSED)
    denied = attempts["errno"].notna()
    passed = attempts["trial"].isin(evidence.passed["trial"])
    harmless = attempts[denied & passed]
    if len(harmless):
        return _shown(evidence, privilege, Fate.HARMLESS, harmless)
    used = attempts[~denied & passed]
    if len(used):
        return _shown(evidence, privilege, Fate.DISPENSABLE, used, without=name)
    return _shown(evidence, privilege, Fate.ELSEWHERE, attempts)


def _shown(
    evidence: Evidence,
    privilege: Privilege,
    fate: Fate,
    attempts: pd.DataFrame,
    *,
    without: str | None = None,
) -> Reason:
    """What the latest of these attempts shows, or a passing trial that lacked the privilege."""
    last = attempts.iloc[-1]
    number = int(last["trial"])
    if without is not None:
        number = _passing_without(evidence, without) or number
    launch, trial = evidence.last_launch(number), evidence.trial(number)
    return Reason(
        privilege=privilege,
        fate=fate,
        trial=number,
        outcome="" if trial is None else str(trial["reason"]),
        scenario=None if launch is None else str(launch["scenario"]),
        program=str(last["program"]),
        call=None if pd.isna(last["syscall"]) else str(last["syscall"]),
        answer=None if pd.isna(last["errno"]) else str(last["errno"]),
        count=int(last["count"]),
    )


def _passing_without(evidence: Evidence, name: str) -> int | None:
    """The last passing trial that lacked a privilege."""
    column = "capabilities" if name.startswith("CAP_") else "syscalls"
    passed = evidence.passed[evidence.passed[column].notna() & (evidence.passed["phase"] != "observe")]
    latest_first = zip(passed["trial"].iloc[::-1], passed[column].iloc[::-1], strict=True)
    return next((int(number) for number, text in latest_first if name not in text.split()), None)
