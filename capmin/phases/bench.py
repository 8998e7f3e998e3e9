"""What the phases of a campaign share: the oracle, the best so far, and how trials answer the search."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from math import ceil, log
from typing import TypeAlias

from capmin.baseline import FLAKY_RUNS, Baseline, extended
from capmin.engines import Engine, Observe
from capmin.grant import Grant
from capmin.judge import Stage
from capmin.minimise import MAX_REPEATS, Minimum, Outcome, minimise
from capmin.observation import used_syscalls
from capmin.oracle import Oracle, lacking
from capmin.phases.plan import Plan, Proofs, Watcher
from capmin.phases.reading import (
    attempted,
    denied_in_order,
    denied_times,
    ended_by_itself,
    ending,
    failed_first,
    in_hindsight,
    is_clean,
    is_one_program,
    lacks,
    reached_its_end,
    tolerated,
)
from capmin.priors import LearnPrior, Prior, remembering, syscall_prior
from capmin.privileges import Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.recall import Document
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR
from capmin.trial import Launch, Trial, Verdict

_log = logging.getLogger(__name__)

Known: TypeAlias = Sequence[tuple[frozenset[Privilege], Outcome[Privilege]]]

_TOLD = ("capabilities", "alternatives", "syscalls", "certify")
"""The phases whose trials are about what is needed. Others repeat."""

_FALSE_FAILURE = 0.01
"""How probable it may be that several failures in a row are all false, where one more would be dear."""

_SELDOM = 200
"""Calls made no more often than this are watched where they are granted: each time costs some 10 us."""


class Storm(Exception):
    """A search has to begin again from where these privileges, which were dropped, are granted."""

    def __init__(self, privileges: frozenset[Privilege]) -> None:
        self.privileges = privileges


@dataclass(kw_only=True, slots=True)
class Bench:
    """The state of a campaign, and its questions.

    Attributes:
        learn_prior: tells from earlier results how probable it is that a system call is needed.
        best: the smallest grant known to pass; what is searched is always a part of it.
        baseline: None until the tests have passed.
        uses: the system calls that passing launches used; None where that was not observed.
        observed: those of them that an answer is compared with, and what had to be added.
        recalled: whether the answer of an earlier search passed as it was: then each of its privileges has
            failed before, and a failure that is hard to explain is the second.
        passes: how many launches in a row have to pass for a grant to pass. More than one where a test
            passed by chance before.
        false_passes: whether an answer failed more often than all granted does, which is no chance: then
            what it passed before was.
        pinned: what a search was begun again for, as it storms when it is denied.
        minimum: the answer proven so far.
        presumed: what the search for system calls has proven meanwhile, where presumed proofs will do.
        rounds: of trials side by side, in searches that were not begun again.
        alternatives: the other minimal sets of capabilities that were found.
        alternatives_complete: whether these are all.
        confirmations: the launches of the answer as it was written, all scenarios of each.
    """

    engine: Engine
    plan: Plan
    oracle: Oracle
    stages: Mapping[Scenario, Stage]
    executor: Executor
    watcher: Watcher
    best: Grant
    earlier: Sequence[Document] = ()
    before: Document | None = None
    learn_prior: LearnPrior = syscall_prior
    baseline: Baseline | None = None
    uses: Mapping[Syscall, int] | None = None
    observed: frozenset[Syscall] | None = None
    recalled: bool = False
    passes: int = 1
    false_passes: bool = False
    pinned: frozenset[Privilege] = frozenset()
    minimum: Minimum[Privilege] | None = None
    presumed: Minimum[Privilege] | None = None
    rounds: int = 0
    alternatives: tuple[frozenset[Privilege], ...] = ()
    alternatives_complete: bool | None = None
    confirmations: list[tuple[Launch, ...]] = field(default_factory=list)

    def enter(self, phase: str) -> None:
        _log.info("%s", phase)
        self.watcher.phase(phase)

    def improve(self, grant: Grant) -> None:
        self.best = grant
        self.watcher.best(grant)

    @property
    def presume(self) -> bool:
        """Whether presumed proofs will do, of system calls only.

        What tests that fail by chance show is no ground to presume on.
        """
        wanted = self.plan.proofs is Proofs.PRESUMED and self.best.syscalls is not None
        return wanted and self.flake_rate == 0.0

    @property
    def flake_rate(self) -> float:
        """How often a grant that works fails all the same; more often where several passes are asked for."""
        once = 0.0 if self.baseline is None else self.baseline.flake_rate
        return 1.0 - (1.0 - once) ** self.passes

    @property
    def is_belied(self) -> bool:
        """Whether the same grant has passed and failed, though the tests are taken for steady.

        Where it is passes that are false that is no wonder, once the runs with everything granted say so, or
        how often an answer failed.
        """
        passes_are_false = self.false_passes or (self.passes > 1 and self._runs >= self._runs_that_tell)
        if self.flake_rate > 0.0 or passes_are_false:
            return False
        told = self._told()
        passed = {trial.grant for trial in told if self._counts_as_pass(trial)}
        return any(trial.grant in passed for trial in told if not self._counts_as_pass(trial))

    @property
    def _runs(self) -> int:
        return 0 if self.baseline is None else len(self.baseline.trials)

    @property
    def _runs_that_tell(self) -> int:
        """How many it takes with everything granted: the more must pass in a row, the rarer may one fail."""
        return FLAKY_RUNS * self.passes

    def measure_flakiness(self, *, seen: bool = False) -> None:
        """Find out how often the tests fail with everything granted, from as many runs as that takes.

        Where they were ``seen`` to fail by chance, the rate is not 0, whatever these runs show.
        """
        if self.baseline is not None:
            more = extended(self.oracle, self.executor, self.baseline, (), runs=self._runs_that_tell)
            at_least = 1 / (FLAKY_RUNS + 2) if seen else 0.0
            self.baseline = replace(more, flake_rate=max(more.flake_rate, at_least))

    @property
    def dropped(self) -> frozenset[Syscall]:
        """The observed system calls that the best grant does without; none where they are not searched."""
        if self.observed is None or self.best.syscalls is None:
            return frozenset()
        return self.observed - self.best.syscalls

    def most_syscalls(self) -> frozenset[Syscall]:
        """What the default filter allows above the floor."""
        return self.engine.default_syscalls(self.best.capabilities) - FLOOR

    def prior(self, used: frozenset[Syscall] | None) -> Prior | None:
        """The prior for system calls, of which these are ``used`` where that is known."""
        return self.recalling(self.learn_prior(self.earlier, used=used))

    def recalling(self, prior: Prior | None) -> Prior | None:
        """A prior, and what an earlier search has found."""
        return prior if self.before is None or prior is None else remembering(self.before, prior)

    def ask(self, grant: Grant, phase: str) -> Trial:
        """Make one trial, observing all that tells the search something."""
        watched = grant.syscalls is not None and self.engine.observes_syscalls
        observe = Observe.DENIALS if watched else Observe.NOTHING
        # Tracing slows down a program of many calls, so only what is about capabilities is traced.
        lacking = phase == "certify" and grant.capabilities < self.best.capabilities
        traced = self.traces(phase) or (lacking and self.engine.observes_capabilities)
        return self.oracle.ask(
            grant,
            phase=phase,
            adapt=lambda stage: replace(
                stage, observe=observe, observe_capabilities=traced, watched=self._watched(phase)
            ),
        )

    def _watched(self, phase: str) -> frozenset[Syscall]:
        """The calls that are to be seen where they are granted, too: none where another course is wanted."""
        if phase == "doubt":
            return frozenset()
        return frozenset(name for name, times in (self.uses or {}).items() if times <= _SELDOM)

    def traces(self, phase: str) -> bool:
        """Whether all capabilities that are denied in a phase are seen."""
        told = ("capabilities", "alternatives", "recall", "doubt")
        return phase in told and self.engine.observes_capabilities

    def try_grant(self, grant: Grant, phase: str) -> Trial:
        """Ask until it has failed, or has passed as often as it must; the last trial."""
        trial = self.ask(grant, phase)
        for _ in range(self.passes - 1):
            if not self._counts_as_pass(trial):
                break
            trial = self.ask(grant, phase)
        return trial

    def try_hard(self, grant: Grant, phase: str) -> Trial:
        """Ask until it has passed, or has failed so often that it is hardly by chance."""
        rate = self.flake_rate
        trial = self.try_grant(grant, phase)
        for _ in range(ceil(log(_FALSE_FAILURE) / log(rate)) - 1 if 0 < rate < 1 else 0):
            if self._counts_as_pass(trial):
                break
            trial = self.try_grant(grant, phase)
        return trial

    def outcome(self, trial: Trial, candidates: Iterable[Privilege]) -> Outcome[Privilege]:
        """A trial in the words of the search; only the launch that decided tells what was missing.

        A degraded pass counts as none, unless the user said otherwise.
        """
        launch = trial.launches[-1]
        if storming := self.storming(trial):
            denied: tuple[Privilege, ...] | None = tuple(sorted(storming.intersection(candidates)))
        else:
            # With what is no candidate any more: how much came after a denial tells how it ended.
            denied = denied_in_order(launch)
        failed = failed_first(launch, self._usual_ends())
        return Outcome(
            passes=self._counts_as_pass(trial),
            denied=denied,
            ended_normally=reached_its_end(launch),
            went_through=self._went_through(trial, denied),
            ordered=ended_by_itself(launch) and is_one_program(launch),
            fatal=() if failed is None else failed.denied,
            tolerated=tolerated(launch),
            times=denied_times(launch),
            ending=ending(launch, failed),
            evident=bool(storming),
            attempted=attempted(trial) if self.flake_rate == 0.0 else None,
            trial=trial.number,
        )

    def _usual_ends(self) -> frozenset[tuple[str, int | None]]:
        """The programs and exit codes that are seen in passing launches."""
        passing = (trial for trial in self.oracle.trials if trial.verdict is Verdict.WORKS)
        ends = (end for trial in passing for launch in trial.launches for end in launch.ends)
        return frozenset((end.program, end.code) for end in ends)

    def _went_through(self, trial: Trial, denied: Sequence[Privilege] | None) -> bool:
        """Whether nothing was cut short: all that passing launches were seen to use was attempted."""
        if self.observed is None or denied is None or trial.grant.syscalls is None:
            return False
        return self.observed - trial.grant.syscalls <= frozenset(denied)

    def known(self, elements: Iterable[Privilege]) -> Known:
        """What the trials so far say about these elements, the rest of the best grant being as it is.

        A grant that has not passed as often as it must is not known to pass.
        """
        candidates = tuple(elements)
        everything = self.best.adding(frozenset(candidates))
        fixed = self.best.without(frozenset(candidates))
        told = [
            trial
            for trial in self._told()
            if trial.grant.without(frozenset(candidates)) == fixed
            and trial.grant.privileges <= everything.privileges
        ]
        passed = Counter(trial.grant for trial in told if self._counts_as_pass(trial))
        return [
            (trial.grant.privileges & frozenset(candidates), self.outcome(trial, candidates))
            for trial in told
            if not self._counts_as_pass(trial) or passed[trial.grant] >= self.passes
        ]

    def tells(self, trial: Trial) -> bool:
        """Whether a trial is about what is needed; so is an observation that let through nothing more."""
        if trial.phase == "observe":
            return trial.grant.syscalls is not None and self.passes == 1 and not used_syscalls(trial)
        if trial.phase == "doubt":
            # Once what the answer was denied is granted again, that it failed is held against it.
            return self.passes > 1 and not self._counts_as_pass(trial)
        return trial.phase in _TOLD

    def _told(self) -> list[Trial]:
        """The trials that are about what is needed, in the light of what has turned out to storm."""
        stormy = frozenset() if self.plan.accept_degraded else self.oracle.stormy
        seen = (in_hindsight(trial, stormy) for trial in self.oracle.trials if self.tells(trial))
        return [trial for trial in seen if trial is not None]

    def minimise(
        self,
        elements: Iterable[Privilege],
        *,
        phase: str,
        algorithm: str | None = None,
        found: Iterable[Privilege] | None = None,
        prior: Prior | None = None,
        prove: bool = False,
        try_empty_first: bool = False,
        searched: int | None = None,
    ) -> Minimum[Privilege]:
        """Reduce some of the privileges of the best grant, the others staying as they are.

        Raises:
            Storm: an earlier pass was none. What is to be granted again is pinned.
        """
        candidates = tuple(elements)
        base, everything = self.best, self.best.adding(frozenset(candidates))

        def ask(configuration: frozenset[Privilege]) -> Outcome[Privilege]:
            trial = self.try_grant(everything.without(frozenset(candidates) - configuration), phase)
            self._look_for_false_passes(trial, base)
            return self.outcome(trial, candidates)

        minimum = minimise(
            candidates,
            ask,
            algorithm=algorithm or self.plan.algorithm,
            found=found,
            prior=prior,
            executor=self.executor,
            workers=self.plan.workers,
            flake_rate=self.flake_rate,
            confidence=self.plan.confidence,
            max_repeats=MAX_REPEATS if prove else 0,
            try_empty_first=try_empty_first,
            blind=() if self.traces(phase) else frozenset(CAPABILITIES) & frozenset(candidates),
            known=self.known(candidates),
            presume=self.presume,
            searched=searched,
            steady=self.recalled or (self.baseline is not None and self.baseline.is_steady),
        )
        self.rounds += minimum.rounds
        return minimum

    def storming(self, trial: Trial) -> frozenset[Privilege]:
        """What a degraded trial lacks that is known to storm then, where that matters."""
        if not trial.degraded or self.plan.accept_degraded:
            return frozenset()
        return lacking(trial.grant, self.oracle.stormy)

    def _counts_as_pass(self, trial: Trial) -> bool:
        return trial.verdict is Verdict.WORKS and (self.plan.accept_degraded or not trial.degraded)

    def _look_for_false_passes(self, trial: Trial, base: Grant) -> None:
        """Begin again where a storm shows that an earlier pass without the same privilege was none.

        A storm shows by its length only, which the end of a test may cut short; and where a program seldom
        makes the call, nothing shows. Then it may not even be in ``base``, from which the search goes down.

        Raises:
            Storm: it does.
        """
        storming = self.storming(trial)
        earlier = [each for each in self.oracle.trials if each.phase == trial.phase and is_clean(each)]
        dropped = {name for name in storming - self.pinned if any(lacks(each, name) for each in earlier)}
        dropped |= storming - base.privileges
        if dropped:
            self.pinned |= dropped
            raise Storm(frozenset(dropped))

    def grant_again(self, storm: Storm) -> None:
        """Take back what was dropped, to begin again; it counts as observed where it was too seldom seen."""
        _log.info("%s stays: denied, it sets off a storm", " ".join(sorted(storm.privileges)))
        self.improve(self.best.adding(storm.privileges))
        if self.observed is not None:
            self.observed |= {Syscall(name) for name in storm.privileges}
