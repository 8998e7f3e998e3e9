"""Why a privilege is kept: the trial that failed for want of it, and what was seen there."""

from collections.abc import Iterator

import pandas as pd

from capmin.explain.evidence import Evidence
from capmin.explain.model import Fate, Reason
from capmin.privileges import Capability
from capmin.privileges.syscall import Syscall
from capmin.records.written import as_privilege
from capmin.seccomp import docker_default


def kept(evidence: Evidence) -> Iterator[Reason]:
    """A reason for each privilege kept, capabilities first."""
    certificate = {entry["privilege"]: entry for entry in evidence.result["certificate"]}
    for name in sorted(evidence.required, key=lambda name: (not name.startswith("CAP_"), name)):
        entry = certificate.get(name)
        if entry is None:
            yield Reason(privilege=as_privilege(name), fate=Fate.UNPROVEN)
        else:
            yield _reason(evidence, name, int(entry["trial"]), entry["denied"], entry["evidence"])


def _reason(evidence: Evidence, name: str, number: int, call: str | None, said: str) -> Reason:
    trial, launch, denial = (
        evidence.trial(number),
        evidence.telling_launch(number, name),
        evidence.denial(number, name),
    )
    if denial is not None and pd.notna(denial["syscall"]):
        call = str(denial["syscall"])
    if launch is not None:
        said = evidence.said(launch, None if call is None else Syscall(call))
    scenario = _failing_scenario(evidence, trial) if launch is None else str(launch["scenario"])
    return Reason(
        privilege=as_privilege(name),
        fate=Fate.STORMY if name in evidence.degraded else Fate.NEEDED,
        trial=number,
        outcome="" if trial is None else str(trial["reason"]).removeprefix(f"{scenario}: "),
        scenario=scenario,
        program=None if denial is None else str(denial["program"]),
        call=call,
        answer=None if denial is None else str(denial["errno"]),
        count=None if denial is None else int(denial["count"]),
        said=said,
        note=_note(evidence, name, trial) if denial is None else "",
    )


def _note(evidence: Evidence, name: str, trial: pd.Series | None) -> str:
    """Docker's filter allows some calls only with a capability: then it denies, and nobody asks for that."""
    if trial is None or pd.notna(trial["syscalls"]) or not name.startswith("CAP_"):
        return ""
    architecture = evidence.result["host"]["architecture"]
    without = frozenset(map(Capability, str(trial["capabilities"]).split()))
    gained = docker_default(without | {Capability(name)}, architecture).allowed
    gated = sorted(gained - docker_default(without, architecture).allowed)
    return f"Docker's filter allows only with it: {' '.join(gated)}" if gated else ""


def _failing_scenario(evidence: Evidence, trial: pd.Series | None) -> str | None:
    """The scenario that a trial failed in: where there are several its reason begins with it.

    Without the launches, as in results that were committed, that is all that is left to tell.
    """
    names = [str(scenario["name"]) for scenario in evidence.result["scenarios"]]
    reason = "" if trial is None else str(trial["reason"])
    return next((name for name in names if reason.startswith(f"{name}: ")), None)
