"""Launches under grants around the answer, each judged beyond chance, within a budget."""

import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from capmin.baseline import find_baseline
from capmin.engines import Engine, Image, Observe
from capmin.evidence import telling_line
from capmin.fuzzing.question import Question
from capmin.grant import Grant
from capmin.minimise import Outcome, minimise
from capmin.observation import denied_syscalls, used_syscalls
from capmin.oracle import Oracle, Recorder
from capmin.play import stage_for
from capmin.privileges import Privilege
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.result import Confirmation
from capmin.trial import Trial, Verdict

Watch = Callable[[str, Trial | None], None]
"""Is told the phase when it begins, and each trial in it."""

PHASE = "fuzz"

FALSE_ALARM = 1e-3
"""How probable it may be that a grant that works is seen to break, each time it is looked at."""

UNSEEN_RATE = 0.02
"""What is assumed of tests that never failed by themselves: the five runs of a baseline say no more."""

PASSES = 3
"""How often a part of the answer has to pass to be one that works: some tests pass now and then by chance."""


MENDING = 60
"""Launches that finding out what a trap lacks may take, whatever is left of the budget: a trap is only half
told without. Of 330 privileges one is found in about 20, where denials show."""


class BudgetEnded(Exception):
    """No launch may be made any more; never leaves this package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How much may be spent besides the baseline; None: as much as it takes."""

    launches: int | None = None
    seconds: float | None = None


@dataclass(kw_only=True, slots=True)
class Tries:
    """Asks the engine about grants; what it has decided once, it remembers.

    One thread only: the shrinking of an example is a chain of questions, each of which rests on the last.

    Attributes:
        launches: how many were made since `begin`.
        flake_rate: how often the tests fail by themselves.
        doubtful: grants that seemed to disagree with the answer, and did not when they were launched again.
    """

    question: Question
    engine: Engine
    executor: Executor
    recorder: Recorder
    budget: Budget
    watch: Watch
    time_limit_s: float = 60.0
    accept_degraded: bool = False
    image: Image = field(init=False)
    launches: int = field(default=0, init=False)
    flake_rate: float = field(default=0.0, init=False)
    doubtful: int = field(default=0, init=False)
    _oracle: Oracle = field(init=False)
    _deadline_s: float = field(default=math.inf, init=False)
    _phase: str = field(default="", init=False)
    _breaks: dict[Grant, bool] = field(default_factory=dict, init=False)
    _works: dict[Grant, bool] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.image = self.engine.image(self.question.image)
        self._oracle = Oracle(
            engine=self.engine,
            stages={
                scenario: stage_for(
                    self.engine,
                    scenario,
                    self.image,
                    denied_errno=self.question.denied_errno,
                    limit_s=self.time_limit_s,
                )
                for scenario in self.question.scenarios
            },
            recorder=self.recorder,
            budget=None,
            on_trial=lambda trial: self.watch(self._phase, trial),
        )

    def begin(self) -> None:
        """See how launches usually go; the budget counts from here.

        Raises:
            BaselineError: the tests fail with everything that is usual.
        """
        self._enter("baseline")
        usual = Grant(capabilities=DOCKER_DEFAULT & self.engine.ceiling | self.question.answer.capabilities)
        baseline = find_baseline(self._oracle, self.executor, usual=usual, ceiling=usual)
        self.flake_rate = max(baseline.flake_rate, self.question.flake_rate)
        self._oracle.set_limits(baseline.limits_s(self.time_limit_s))
        self._oracle.set_usual(baseline.usual)
        if self._observe is Observe.DENIALS:
            # A denial is a storm where it is seen much more often than the call is made when it is allowed.
            watching = self._oracle.ask(
                usual.with_syscalls(self.question.answer.syscalls),
                phase="observe",
                adapt=lambda stage: replace(stage, observe=Observe.USES),
            )
            uses = denied_syscalls(watching) | used_syscalls(watching)
            self._oracle.set_usual(replace(baseline.usual, uses=uses))
        self._enter(PHASE)
        if self.budget.seconds is not None:
            self._deadline_s = time.monotonic() + self.budget.seconds

    @property
    def failures(self) -> int:
        """So many in a row are no chance."""
        return math.ceil(math.log(FALSE_ALARM) / math.log(max(self.flake_rate, UNSEEN_RATE)))

    @property
    def wider(self) -> int:
        """How many grants besides the answer had to pass, and were decided."""
        return len(self._breaks.keys() - {self.question.answer})

    @property
    def parts(self) -> int:
        """How many had to fail, and were decided."""
        return len(self._works)

    def breaks(self, grant: Grant) -> bool:
        """Whether a grant fails, again and again; a single pass tells that it does not.

        Raises:
            BudgetEnded: before that was known.
        """
        if grant not in self._breaks:
            failed = 0
            while failed < self.failures and not self.passes(self.ask(grant)):
                failed += 1
            self._breaks[grant] = failed == self.failures
            self.doubtful += 0 < failed < self.failures
        return self._breaks[grant]

    def works(self, grant: Grant, *, thorough: bool) -> bool:
        """Whether a grant passes, again and again; one failure is enough against it unless ``thorough``.

        Most grants that are asked about fail, and with tests that fail by themselves to look at each several
        times would take the budget: some that work are not seen then, but nothing is seen that does not.

        Raises:
            BudgetEnded: before that was known.
        """
        if grant not in self._works:
            self._works[grant] = self._passes_often(grant, thorough=thorough)
        return self._works[grant]

    def _passes_often(self, grant: Grant, *, thorough: bool) -> bool:
        passed = failed = 0
        while passed < PASSES:
            if self.passes(self.ask(grant)):
                passed, failed = passed + 1, 0
                continue
            failed += 1
            if failed >= (self.failures if self.flake_rate and (passed or thorough) else 1):
                return False
        return True

    def confirm(self, grant: Grant, runs: int, *, breaks: bool) -> tuple[Confirmation, Trial]:
        """How many of so many trials break, or pass; and the last that does, or just the last.

        Whatever is left of the budget: what has been found is not to be lost for want of five launches.
        """
        trials = [self._make(grant) for _ in range(runs)]
        agreeing = [trial for trial in trials if self.passes(trial) != breaks]
        return Confirmation(passed=len(agreeing), runs=runs), (agreeing or trials)[-1]

    def take_back(self, grant: Grant) -> None:
        """Forget that a grant disagrees: it was by chance."""
        self.doubtful += 1
        for known in (self._breaks, self._works):
            if grant in known:
                known[grant] = False

    def lacking(self, broken: Grant, rest: Iterable[Privilege]) -> frozenset[Privilege]:
        """The smallest of the rest that makes a broken grant pass again; nothing where even all does not.

        Raises:
            BudgetEnded: it takes more than `MENDING` launches.
        """
        candidates, before = tuple(rest), self.launches

        def ask(some: frozenset[Privilege]) -> Trial:
            if self.launches >= before + MENDING:
                raise BudgetEnded
            return self._make(broken.adding(some), trace=True)

        everything = frozenset(candidates)
        if not any(self.passes(ask(everything)) for _ in range(self.failures if everything else 0)):
            return frozenset()
        return minimise(
            candidates,
            lambda some: self._outcome(ask(some)),
            flake_rate=self.flake_rate,
            confidence=1 - FALSE_ALARM,
            known=[(everything, Outcome(passes=True))],
            blind=()
            if self.engine.observes_capabilities
            else frozenset(CAPABILITIES).intersection(candidates),
        ).kept

    def ask(self, grant: Grant) -> Trial:
        """Make one trial, in which denied system calls show.

        Raises:
            BudgetEnded: none may be made any more.
        """
        if self.launches >= (self.budget.launches or math.inf) or time.monotonic() >= self._deadline_s:
            raise BudgetEnded
        return self._make(grant)

    def passes(self, trial: Trial) -> bool:
        """Whether it works, and not only somehow: as in a search, a degraded pass is none."""
        return trial.verdict is Verdict.WORKS and (self.accept_degraded or not trial.degraded)

    def evidence(self, trial: Trial) -> str:
        return telling_line(trial.launches[-1])

    def _make(self, grant: Grant, *, trace: bool = False) -> Trial:
        """With ``trace`` denied capabilities show, too, which is slow."""
        trial = self._oracle.ask(
            grant,
            phase=self._phase,
            adapt=lambda stage: replace(
                stage,
                observe=self._observe,
                observe_capabilities=trace and self.engine.observes_capabilities,
            ),
        )
        self.launches += len(trial.launches)
        return trial

    @property
    def _observe(self) -> Observe:
        watched = self.engine.observes_syscalls and self.question.answer.syscalls is not None
        return Observe.DENIALS if watched else Observe.NOTHING

    def _outcome(self, trial: Trial) -> Outcome[Privilege]:
        denials = trial.launches[-1].denials
        # Of several denials of one privilege the last counts.
        latest = None if denials is None else reversed(dict.fromkeys(d.privilege for d in reversed(denials)))
        return Outcome(
            passes=self.passes(trial),
            denied=None if latest is None else tuple(latest),
            trial=trial.number,
        )

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self.watch(phase, None)
