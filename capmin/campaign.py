"""A campaign: from the baseline to the confirmed profile (design.md, section 4)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Protocol

from capmin.baseline import RUNS, Baseline, find_baseline
from capmin.engines import Engine, Image, Observe
from capmin.errors import BaselineError
from capmin.findings import Findings
from capmin.grant import Grant
from capmin.judge import Stage, play
from capmin.minimise import Minimum, Outcome, minimise
from capmin.minimise.search import CERTIFY_ONLY, MAX_REPEATS
from capmin.observation import observe_syscalls
from capmin.oracle import Oracle, Recorder
from capmin.play import stage_for
from capmin.priors import Prior, capability_prior, remembering, syscall_prior
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.privileges.risk import riskiest_first
from capmin.recall import Document, answers, recalled_grant, recalled_observation
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR, SeccompProfile
from capmin.trial import Launch, Trial, Verdict

_log = logging.getLogger(__name__)

FIRST_ODD_EXIT_CODE = 126
"""From here on a shell reports what befell a program: not executable, not found, killed by a signal."""

MORE_OBSERVATION_ROUNDS = 5
"""How often what was denied is added when the observed set alone does not pass."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What the user asked for.

    ``ceiling`` is None for Docker's default; ``budget`` counts trials.
    """

    image: str
    scenarios: tuple[Scenario, ...]
    capabilities: bool = True
    syscalls: bool = True
    ceiling: frozenset[Capability] | None = None
    denied_errno: int
    confirm: int = 10
    workers: int = 1
    time_limit_s: float = 60.0
    budget: int | None = None
    seed: int = 0
    confidence: float = 0.95
    algorithm: str = "auto"
    accept_degraded: bool = False


class Watcher(Protocol):
    """Who wants to know how a campaign goes on; called from any of its threads."""

    def phase(self, name: str) -> None: ...

    def trial(self, trial: Trial) -> None: ...

    def best(self, grant: Grant) -> None: ...


class _Storm(Exception):
    """The search has to begin again, with these privileges granted throughout."""

    def __init__(self, privileges: frozenset[Privilege]) -> None:
        self.privileges = privileges


class Campaign:
    """One search over one image. Any exception may stop it; `findings` then has the best so far.

    Args:
        engine: launches the trials.
        plan: what to search.
        recorder: keeps every trial.
        earlier: results of earlier campaigns, to learn priors from.
        before: the result of an earlier campaign to start from: its answer is tried first.
        executor: where trials run side by side.
        watcher: is told how it goes.

    Raises:
        ImageError: an image cannot be had.
        UsageError: the ceiling is more than the host can give.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        plan: Plan,
        recorder: Recorder,
        executor: Executor,
        watcher: Watcher,
        earlier: Sequence[Document] = (),
        before: Document | None = None,
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._executor = executor
        self._earlier = earlier
        self._before = before
        self._watcher = watcher
        self._ceiling = ceiling_of(plan, engine)
        self._stages = _stages(plan, engine)
        self._oracle = Oracle(
            engine=engine,
            stages=self._stages,
            recorder=recorder,
            budget=plan.budget,
            on_trial=watcher.trial,
        )
        self._baseline: Baseline | None = None
        self._best = Grant(capabilities=self._ceiling)
        self._observed: frozenset[Syscall] | None = None
        self._minimum: Minimum[Privilege] | None = None
        self._confirmations: list[tuple[Launch, ...]] = []

    @property
    def image(self) -> Image:
        return next(iter(self._stages.values())).image

    def run(self) -> None:
        """Search and prove; confirmation comes after, with the files written.

        Raises:
            BaselineError: the scenarios fail with everything granted.
            BudgetSpent: stopped early.
            EngineError: the engine is broken.
        """
        self._enter("baseline")
        self._find_baseline()
        if not self._still_works():
            if self._plan.capabilities:
                self._enter("capabilities")
                self._search_capabilities()
            if self._plan.syscalls:
                self._enter("syscalls")
                self._search_syscalls()
        self._enter("certify")
        self._certify()

    def confirm(self, engine: Engine, profile: SeccompProfile | None) -> None:
        """Launch the answer as it was written, on the engine that will run it.

        ``profile`` is the emitted document read back, or None where system calls were not searched.
        """
        self._enter("confirm")
        stages = self._stages if engine is self._engine else _stages(self._plan, engine)
        for _ in range(self._plan.confirm):
            self._confirmations.append(
                tuple(
                    play(engine, scenario, replace(stage, seccomp_profile=profile), self._best)
                    for scenario, stage in stages.items()
                )
            )

    def stop(self) -> None:
        """Let no trial that is under way count: its containers are about to be killed."""
        self._oracle.stop()

    @property
    def has_findings(self) -> bool:
        """Whether the baseline has passed."""
        return self._baseline is not None

    @property
    def findings(self) -> Findings:
        """The best so far.

        Raises:
            BaselineError: nothing has passed yet.
        """
        if self._baseline is None:
            raise BaselineError("stopped before the tests have passed even once")
        return Findings(
            grant=self._best,
            baseline=self._baseline,
            searched_capabilities=self._plan.capabilities,
            observed=self._observed,
            minimum=self._minimum,
            trials=self._oracle.trials,
            confirmations=tuple(self._confirmations),
        )

    def _enter(self, phase: str) -> None:
        _log.info("%s", phase)
        self._watcher.phase(phase)

    def _find_baseline(self) -> None:
        usual = Grant(capabilities=DOCKER_DEFAULT & self._ceiling)
        self._baseline = find_baseline(
            self._oracle,
            self._executor,
            usual=usual,
            ceiling=Grant(capabilities=self._ceiling),
            runs=RUNS if self._before is None else 1,
        )
        if self._baseline.grant != usual:
            _log.warning("the tests fail under Docker's default grant: searching down from the ceiling")
        if self._plan.capabilities and self._baseline.is_powerless:
            _log.warning(
                "the image runs as user %s, for whom no capability granted is in effect: "
                "that one is not needed may mean that it could not be used",
                self.image.user,
            )
        self._oracle.set_limits(self._baseline.limits_s(self._plan.time_limit_s))
        self._oracle.set_usual(self._baseline.usual)
        self._improve(self._baseline.grant)

    def _still_works(self) -> bool:
        """Whether the answer of an earlier campaign works, be it with what it is now denied in addition.

        What is too much in it shows when it is certified.
        """
        if self._before is None or not answers(
            self._before, capabilities=self._plan.capabilities, syscalls=self._plan.syscalls
        ):
            return False
        self._enter("recall")
        most = self._most()
        grant = recalled_grant(self._before, most)
        for _ in range(MORE_OBSERVATION_ROUNDS):
            trial = self._ask(grant, "recall")
            if _is_clean(trial):
                self._observed = recalled_observation(self._before) | (grant.syscalls or frozenset())
                self._improve(grant)
                return True
            denied = {denial.privilege for launch in trial.launches for denial in launch.denials or ()}
            grant = grant.adding(most & denied)
            if grant == trial.grant:
                break
        return False

    def _most(self) -> frozenset[Privilege]:
        """What the baseline had, its default filter spelt out."""
        capabilities = self._best.capabilities
        return capabilities | (self._engine.default_syscalls(capabilities) - FLOOR)

    def _search_capabilities(self) -> None:
        """Down from the grant of the baseline: with none at all first, then the riskiest away first."""
        candidates = riskiest_first(self._best.capabilities)
        checked = self._checked_capabilities()
        minimum = self._minimise(
            candidates,
            phase="capabilities",
            prior=None if checked is None else self._recalling(capability_prior(checked)),
            try_empty_first=not checked,
        )
        self._improve(self._best.without(frozenset(candidates) - minimum.kept))

    def _checked_capabilities(self) -> frozenset[Capability] | None:
        """What the kernel was asked for with everything granted; None where nobody can tell."""
        if not self._engine.observes_capabilities:
            return None
        trial = self._oracle.ask(
            self._best, phase="observe", adapt=lambda stage: replace(stage, observe_capabilities=True)
        )
        checked = {attempt.privilege for launch in trial.launches for attempt in launch.attempts or ()}
        return self._best.capabilities & checked

    def _recalling(self, prior: Prior) -> Prior:
        return prior if self._before is None else remembering(self._before, prior)

    def _search_syscalls(self) -> None:
        candidates = self._syscall_candidates()
        self._improve(self._best.with_syscalls(candidates))
        observed = candidates <= (self._observed or frozenset())
        prior = self._recalling(syscall_prior(self._earlier, observed=observed))
        pinned: frozenset[Privilege] = frozenset()
        while True:
            open_ = candidates - pinned
            try:
                minimum = self._minimise(
                    sorted(open_), phase="syscalls", prior=prior, known=self._known(open_)
                )
            except _Storm as storm:
                pinned |= storm.privileges
                _log.info("%s stays: denied, it sets off a storm", " ".join(sorted(storm.privileges)))
            else:
                self._improve(self._best.without(open_ - minimum.kept))
                return

    def _syscall_candidates(self) -> frozenset[Syscall]:
        """What the search for system calls has to decide on: the observed set, once it is seen to pass."""
        universe = self._engine.default_syscalls(self._best.capabilities) - FLOOR
        if not self._engine.observes_syscalls:
            _log.warning("%s cannot report system calls here: searching black box", self._engine.name)
            return universe
        uses = observe_syscalls(self._oracle, self._best)
        self._oracle.set_usual(replace(self.findings.baseline.usual, uses=uses))
        candidates = self._observed = universe & uses.keys()
        for _ in range(MORE_OBSERVATION_ROUNDS):
            trial = self._ask(self._best.with_syscalls(candidates), "syscalls")
            if _is_clean(trial):
                return candidates
            missing = _denied(trial) & universe - candidates
            if not missing:
                break
            candidates |= missing
        _log.warning("the observed system calls alone do not pass: searching among all that Docker allows")
        return universe

    def _certify(self) -> None:
        """Prove every privilege kept, of all kinds together, on exactly the final grant.

        Deleting one by one from an answer is its certificate; what has been asked already is not asked again.
        """
        capabilities = self._best.capabilities if self._plan.capabilities else frozenset()
        candidates: tuple[Privilege, ...] = (
            *riskiest_first(capabilities),
            *sorted(self._best.syscalls or ()),
        )
        self._minimum = self._minimise(
            candidates,
            phase="certify",
            algorithm=CERTIFY_ONLY,
            prior=self._recalling(syscall_prior(self._earlier)),
            prove=True,
            known=self._known(candidates),
        )
        self._improve(self._best.without(frozenset(candidates) - self._minimum.kept))

    def _known(self, elements: Iterable[Privilege]) -> list[tuple[frozenset[Privilege], Outcome[Privilege]]]:
        """What the trials so far say about these elements, the rest of the best grant being as it is."""
        candidates = tuple(elements)
        fixed = self._best.without(frozenset(candidates))
        return [
            (trial.grant.privileges & frozenset(candidates), self._outcome(trial, candidates))
            for trial in self._oracle.trials
            if trial.phase in ("capabilities", "syscalls", "certify")
            and trial.grant.without(frozenset(candidates)) == fixed
            and trial.grant.privileges <= self._best.privileges
        ]

    def _minimise(
        self,
        elements: Iterable[Privilege],
        *,
        phase: str,
        algorithm: str | None = None,
        prior: Prior | None = None,
        prove: bool = False,
        try_empty_first: bool = False,
        known: Sequence[tuple[frozenset[Privilege], Outcome[Privilege]]] = (),
    ) -> Minimum[Privilege]:
        """Reduce some of the privileges of the best grant, the others staying as they are.

        Proofs wait until all kinds have been reduced, since each is worth nothing once the set changes.
        """
        candidates = tuple(elements)
        base = self._best

        def ask(configuration: frozenset[Privilege]) -> Outcome[Privilege]:
            grant = base.without(frozenset(candidates) - configuration)
            trial = self._ask(grant, phase)
            if not prove:
                self._look_for_false_passes(trial)
            return self._outcome(trial, candidates)

        return minimise(
            candidates,
            ask,
            algorithm=algorithm or self._plan.algorithm,
            prior=prior,
            executor=self._executor,
            workers=self._plan.workers,
            flake_rate=0.0 if self._baseline is None else self._baseline.flake_rate,
            confidence=self._plan.confidence,
            max_repeats=MAX_REPEATS if prove else 0,
            try_empty_first=try_empty_first,
            blind=() if self._traces(phase) else frozenset(CAPABILITIES) & frozenset(candidates),
            known=known,
        )

    def _ask(self, grant: Grant, phase: str) -> Trial:
        watched = grant.syscalls is not None and self._engine.observes_syscalls
        observe = Observe.DENIALS if watched else Observe.NOTHING
        # Tracing slows down a program of many calls, so only what is about capabilities is traced.
        lacking = phase == "certify" and grant.capabilities < self._best.capabilities
        traced = self._traces(phase) or (lacking and self._engine.observes_capabilities)
        return self._oracle.ask(
            grant,
            phase=phase,
            adapt=lambda stage: replace(stage, observe=observe, observe_capabilities=traced),
        )

    def _traces(self, phase: str) -> bool:
        """Whether all capabilities that are denied in a phase are seen."""
        return phase in ("capabilities", "recall") and self._engine.observes_capabilities

    def _outcome(self, trial: Trial, candidates: Iterable[Privilege]) -> Outcome[Privilege]:
        """A trial in the words of the search; only the launch that decided tells what was missing.

        A degraded pass counts as none, unless the user said otherwise.
        """
        launch = trial.launches[-1]
        mine = frozenset(candidates)
        denied = None
        if trial.degraded and not self._plan.accept_degraded and self._storming(trial):
            denied = tuple(sorted(self._storming(trial) & mine))
        elif launch.denials is not None:
            # Ordered by the last attempt: of several denials of one privilege the last counts.
            latest = reversed(dict.fromkeys(denial.privilege for denial in reversed(launch.denials)))
            denied = tuple(privilege for privilege in latest if privilege in mine)
        return Outcome(
            passes=trial.verdict is Verdict.WORKS and (self._plan.accept_degraded or not trial.degraded),
            denied=denied,
            ended_normally=_ended_normally(launch),
            trial=trial.number,
        )

    def _look_for_false_passes(self, trial: Trial) -> None:
        """Begin again where a storm shows that an earlier pass without the same privilege was none.

        A storm shows by its length only, which the end of a test may cut short.

        Raises:
            _Storm: it does.
        """
        if self._plan.accept_degraded:
            return
        earlier = [each for each in self._oracle.trials if each.phase == trial.phase and _is_clean(each)]
        dropped = {name for name in self._storming(trial) if any(_lacks(each, name) for each in earlier)}
        if dropped:
            raise _Storm(frozenset(dropped))

    def _storming(self, trial: Trial) -> frozenset[Privilege]:
        """The privileges denied in a degraded trial that are known to storm then."""
        denied = {denial.privilege for launch in trial.launches for denial in launch.denials or ()}
        return self._oracle.stormy & denied if trial.degraded else frozenset()

    def _improve(self, grant: Grant) -> None:
        self._best = grant
        self._watcher.best(grant)


def ceiling_of(plan: Plan, engine: Engine) -> frozenset[Capability]:
    """What may be granted: what the plan allows, as far as the host has it."""
    if plan.ceiling is None:
        return DOCKER_DEFAULT & engine.ceiling
    return plan.ceiling & engine.ceiling


def _stages(plan: Plan, engine: Engine) -> Mapping[Scenario, Stage]:
    image = engine.image(plan.image)
    return {
        scenario: stage_for(
            engine, scenario, image, denied_errno=plan.denied_errno, limit_s=plan.time_limit_s
        )
        for scenario in plan.scenarios
    }


def _is_clean(trial: Trial) -> bool:
    return trial.verdict is Verdict.WORKS and not trial.degraded


def _lacks(trial: Trial, privilege: Privilege) -> bool:
    return privilege not in trial.grant.privileges


def _ended_normally(launch: Launch) -> bool:
    """Whether the program came to an end of its own choosing: not refused, killed, or cut short."""
    ended = launch.exit_code if launch.service_exit_code is None else None
    return launch.refused is None and ended is not None and ended < FIRST_ODD_EXIT_CODE


def _denied(trial: Trial) -> frozenset[Syscall]:
    """The system calls that were denied in any launch of a trial."""
    return frozenset(
        denial.syscall
        for launch in trial.launches
        for denial in launch.denials or ()
        if denial.syscall is not None and denial.privilege == denial.syscall
    )
