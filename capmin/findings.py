"""What a campaign has found so far, as values; and the result document made of it."""

import platform
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from capmin.baseline import Baseline
from capmin.engines import Engine, Image
from capmin.evidence import denied_attempt, telling_line, usual_lines
from capmin.grant import Grant
from capmin.judge import Usual, judge
from capmin.minimise import Minimum
from capmin.mounting import mounts_of
from capmin.privileges import Capability, Privilege, Syscall
from capmin.result import (
    CapabilityAnswer,
    CertificateEntry,
    Confirmation,
    Result,
    ScenarioSummary,
    SyscallAnswer,
    TrialCount,
)
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR
from capmin.trial import Launch, Trial, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """The best so far: ``grant`` passed, and is the answer where ``minimum`` leaves nothing undecided.

    ``searched_capabilities`` says whether they were to be reduced; ``observed`` is None where system calls
    were not searched or could not be observed, and ``uses`` counts them in one launch at most. Each of
    ``confirmations`` holds the launches of all scenarios with the files as written. ``alternatives`` are
    other minimal sets of capabilities, found with the default filter; ``alternatives_complete`` is None where
    they were not looked for. Searching and proving took ``rounds`` of trials side by side.
    """

    grant: Grant
    baseline: Baseline
    searched_capabilities: bool
    observed: frozenset[Syscall] | None
    uses: Mapping[Syscall, int] = field(default_factory=dict)
    minimum: Minimum[Privilege] | None
    alternatives: tuple[frozenset[Capability], ...] = ()
    alternatives_complete: bool | None = None
    trials: tuple[Trial, ...]
    rounds: int = 0
    confirmations: tuple[tuple[Launch, ...], ...] = ()

    @property
    def confirmed(self) -> int:
        """How many of the confirming runs worked, in all scenarios."""
        usual = self.baseline.usual
        return sum(
            all(judge(launch, usual)[0] is Verdict.WORKS for launch in launches)
            for launches in self.confirmations
        )

    @property
    def holds(self) -> bool:
        """Whether the answer, launched as written, failed no more often than its tests do anyway."""
        return self.confirmation(0.95).fits(self.baseline.flake_rate)

    def confirmation(self, confidence: float) -> Confirmation:
        return Confirmation(passed=self.confirmed, runs=len(self.confirmations), confidence=confidence)

    @property
    def kept(self) -> frozenset[Privilege]:
        """The privileges of the answer, of the kinds that were to be searched."""
        return self.grant.privileges if self.searched_capabilities else self.grant.syscalls or frozenset()


def result_of(
    findings: Findings,
    *,
    image: Image,
    scenarios: Iterable[Scenario] = (),
    engine: Engine,
    confirm_engine: Engine | None,
    denied_errno: int,
    confidence: float,
    wall_s: float,
    files: Mapping[str, str],
    created: datetime,
) -> Result:
    """The result document of what was found."""
    grant = findings.grant
    certificate = tuple(_certificate(findings))
    degraded = frozenset(entry.privilege for entry in certificate if _passed(findings.trials, entry.trial))
    return Result(
        image_reference=image.reference,
        image_digest=image.digest,
        search_engine=f"{engine.name} {engine.version}",
        confirm_engine=None if confirm_engine is None else f"{confirm_engine.name} {confirm_engine.version}",
        kernel=platform.release(),
        architecture=engine.architecture,
        ceiling=engine.ceiling,
        scenarios=tuple(_scenarios(findings.baseline)),
        capabilities=CapabilityAnswer(
            required=grant.capabilities,
            alternatives=findings.alternatives,
            alternatives_complete=findings.alternatives_complete,
            degraded=grant.capabilities & degraded,
        )
        if findings.searched_capabilities
        else None,
        syscalls=None
        if grant.syscalls is None
        else SyscallAnswer(
            required=grant.syscalls,
            observed=findings.observed or frozenset(),
            uses=findings.uses,
            floor=FLOOR,
            degraded=grant.syscalls & degraded,
            denied_errno=denied_errno,
        ),
        certificate=certificate,
        trials=_count(findings.trials, len(findings.kept)),
        confirmation=findings.confirmation(confidence),
        wall_s=wall_s,
        files=files,
        created=created,
        user=image.user,
        mounts=mounts_of(scenarios),
    )


def _certificate(findings: Findings) -> Iterable[CertificateEntry]:
    """One entry for each proof, with what was seen in the failing trial."""
    if findings.minimum is None:
        return
    trials = {trial.number: trial for trial in findings.trials}
    usual = usual_lines(_output_of_passes(findings.trials))
    for privilege, proof in findings.minimum.proofs.items():
        number = proof.failures[-1]
        if number is None:
            raise ValueError(f"the proof of {privilege} names no trial")
        launch = _telling_launch(trials[number], privilege)
        # What broke in one scenario may have been denied in another, which passed.
        attempts = (denied_attempt(each, privilege) for each in (launch, *trials[number].launches))
        attempt = next((each for each in attempts if each is not None), None)
        denied = None if attempt is None else attempt.syscall
        yield CertificateEntry(
            privilege=privilege,
            trial=number,
            denied=denied,
            presumed=proof.presumed,
            evidence=telling_line(launch, call=denied, usual=usual),
        )


def _telling_launch(trial: Trial, privilege: Privilege) -> Launch:
    """The launch that decided a trial: the last one where it broke, else the one with most denials of this.

    All scenarios are played where they pass: a storm may have been in any of them.
    """
    if trial.verdict is not Verdict.WORKS:
        return trial.launches[-1]
    return max(
        trial.launches,
        key=lambda launch: sum(each.count for each in launch.denials or () if each.privilege == privilege),
    )


def _output_of_passes(trials: Iterable[Trial]) -> Iterable[str]:
    for trial in trials:
        if trial.verdict is Verdict.WORKS and not trial.degraded:
            for launch in trial.launches:
                yield launch.output
                yield launch.probe_output


def _passed(trials: tuple[Trial, ...], number: int) -> bool:
    """Whether a proving trial passed all the same: it is a proof because it was degraded."""
    return any(trial.number == number and trial.verdict is Verdict.WORKS for trial in trials)


def _scenarios(baseline: Baseline) -> Iterable[ScenarioSummary]:
    times: dict[str, list[float]] = {}
    for trial in baseline.trials:
        for launch in trial.launches:
            times.setdefault(launch.scenario, []).append(launch.duration_s)
    for name, durations_s in times.items():
        yield ScenarioSummary(
            name=name, baseline_s=statistics.median(durations_s), flake_rate=baseline.flake_rate
        )


def _count(trials: tuple[Trial, ...], kept: int) -> TrialCount:
    """A certificate takes one failing trial for each privilege kept, and a passing one for them all."""
    launches = [launch for trial in trials for launch in trial.launches]
    return TrialCount(
        total=len(trials),
        lower_bound=kept + 1,
        launches=len(launches),
        unresolved=sum(judge(launch, Usual())[0] is Verdict.UNRESOLVED for launch in launches),
        waited_s=sum(launch.waited_s for launch in launches),
    )
