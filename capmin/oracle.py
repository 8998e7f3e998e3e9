"""The oracle: from a grant to a verdict. Plays scenarios, remembers, records, keeps to the budget."""

import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import stamina

from capmin.engines import Engine
from capmin.errors import BudgetSpent, EngineError, Interrupted
from capmin.grant import Grant
from capmin.judge import Stage, Usual, judge, only_differs, play, slowness, storms, widened, within
from capmin.privileges import Privilege
from capmin.scenario import Scenario
from capmin.trial import Launch, OpenTrial, Trial, Verdict

ENGINE_ATTEMPTS = 3
"""A broken engine is tried again this often, with back-off; then the campaign stops, to be resumed."""

UNRESOLVED_ATTEMPTS = 3

_Asked = TypeVar("_Asked", Trial, OpenTrial)

COMPARISONS = 2
"""How often a launch that only shows something else is compared with a new one that has everything."""


class Recorder(Protocol):
    """Where launches and trials go the moment they are finished, and where those of an earlier run come from.

    A trial whose launches are recorded one by one is begun, and recorded with all of them in the end; one
    that an earlier run has left open can be begun again under its number, and goes on.
    """

    def begin(self, number: int, *, phase: str, grant: Grant) -> None: ...

    def record_launch(self, number: int, launch: Launch) -> None: ...

    def record_trial(self, trial: Trial) -> None: ...

    def trials(self) -> tuple[Trial, ...]: ...

    def open_trials(self) -> tuple[OpenTrial, ...]: ...


@dataclass(kw_only=True, slots=True)
class _Making:
    """A trial under way, and by scenario the launches of an earlier run that are still to be judged."""

    trial: OpenTrial
    adapt: Callable[[Stage], Stage]
    launches: list[Launch]
    left: Mapping[str, deque[Launch]]

    @classmethod
    def going_on(cls, trial: OpenTrial, adapt: Callable[[Stage], Stage]) -> Self:
        """What cannot be judged is not judged again: that it was tried does not count against a new run."""
        left = defaultdict[str, deque[Launch]](deque)
        for launch in trial.launches:
            if judge(launch, Usual())[0] is not Verdict.UNRESOLVED:
                left[launch.scenario].append(launch)
        return cls(trial=trial, adapt=adapt, launches=list(trial.launches), left=left)


class Oracle:
    """Answers grants with trials; safe to ask from several threads.

    A grant works only if all scenarios do; the first that breaks decides. What an interrupted run has
    recorded for the same phase and grant is handed out again, in its order, before anything is launched:
    a campaign asks the same questions when it gets the same answers, so that resuming repeats nothing. Of a
    trial that was under way only the launches that are missing are made.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        stages: Mapping[Scenario, Stage],
        recorder: Recorder,
        budget: int | None,
        on_trial: Callable[[Trial], None],
    ) -> None:
        self._engine = engine
        self._stages = dict(stages)
        self._recorder = recorder
        self._budget = budget
        self._on_trial = on_trial
        self._lock = threading.Lock()
        finished, begun = recorder.trials(), recorder.open_trials()
        self._replay = _by_question(finished)
        self._begun = _by_question(begun)
        self._trials: list[Trial] = []
        self._usual = Usual()
        self._stormy: set[Privilege] = set()
        self._differences: set[tuple[str, str]] = set()
        self._stopped = False
        self._played = Counter[str]()
        self._broke = Counter[str]()
        numbers = [trial.number for trial in finished] + [trial.number for trial in begun]
        self._next_number = 1 + max(numbers, default=0)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial so far, those of an interrupted run included, in the order they were answered."""
        with self._lock:
            return tuple(self._trials)

    @property
    def usual(self) -> Usual:
        """What passing launches are compared with: as it was set, and what has turned out to vary since."""
        return self._usual

    def set_usual(self, usual: Usual) -> None:
        """Set what passing launches are compared with, and how long phases may take, from now on.

        What has turned out to vary under the same grant is not forgotten.
        """
        if usual.grant == self._usual.grant:
            usual = replace(usual, answers={**usual.answers, **self._usual.answers})
        self._usual = usual
        self._stages = {
            scenario: within(stage, scenario.name, usual) for scenario, stage in self._stages.items()
        }

    def learn(self, launch: Launch) -> None:
        """Learn what may vary from one more launch that had everything granted."""
        with self._lock:
            self._usual = widened(self._usual, launch)

    def set_limits(self, limits_s: Mapping[str, float]) -> None:
        """Set each scenario's time limit, by name, in seconds."""
        self._stages = {
            scenario: replace(stage, limit_s=limits_s[scenario.name])
            for scenario, stage in self._stages.items()
        }

    def ask(
        self, grant: Grant, *, phase: str, adapt: Callable[[Stage], Stage] = lambda stage: stage
    ) -> Trial:
        """Make one trial, or take the one on record for this phase and grant.

        ``adapt`` changes how scenarios are played: what is observed, the time limit, the filter document.

        Raises:
            BudgetSpent: no further trial is allowed.
            EngineError: the engine stays broken, or its launches cannot be judged.
        """
        with self._lock:
            recorded = self._replay.get((phase, grant))
            if recorded:
                trial = recorded.popleft()
                self._keep(trial)
                return trial
            making = _Making.going_on(self._begin(phase, grant), adapt)
        trial = self._make(making)
        with self._lock:
            if self._stopped:
                raise Interrupted("stopped while a trial was under way")
            self._recorder.record_trial(trial)
            self._keep(trial)
        self._on_trial(trial)
        return trial

    @property
    def stormy(self) -> frozenset[Privilege]:
        """The privileges that could be granted, and whose denial has set off a storm in any trial so far."""
        with self._lock:
            return frozenset(self._stormy)

    def stop(self) -> None:
        """Record no more: from now on launches end because they are killed, which says nothing."""
        with self._lock:
            self._stopped = True

    def _keep(self, trial: Trial) -> None:
        self._trials.append(trial)
        if trial.verdict is Verdict.WORKS:
            # A program that breaks may try again and again what it never needed before.
            for launch in trial.launches:
                if culprits := self._culprits(storms(launch, self._usual).keys()):
                    self._stormy |= culprits & self._engine.default_syscalls(trial.grant.capabilities)

    def _culprits(self, storming: AbstractSet[Privilege]) -> AbstractSet[Privilege]:
        """What set off a storm: what was denied without one before, only takes part in it.

        apache without pselect6 spins, and calls times in each round, which is denied 15 times in other passes
        (2,381 times here). Where all were denied before, an earlier storm was cut short: each may be it.
        """
        if not storming:
            return storming
        clean = (trial for trial in self._trials if trial.verdict is Verdict.WORKS and not trial.degraded)
        denials = (denial for trial in clean for launch in trial.launches for denial in launch.denials or ())
        return storming - {denial.privilege for denial in denials} or storming

    def _begin(self, phase: str, grant: Grant) -> OpenTrial:
        """The trial that an earlier run has left open, or a new one; on record from now on."""
        begun = self._begun.get((phase, grant))
        if begun:
            trial = begun.popleft()
            self._within_budget(trial.number)
        else:
            trial = OpenTrial(number=self._take_number(), phase=phase, grant=grant, launches=())
        self._recorder.begin(trial.number, phase=phase, grant=grant)
        return trial

    def _take_number(self) -> int:
        number = self._within_budget(self._next_number)
        self._next_number += 1
        return number

    def _within_budget(self, number: int) -> int:
        if self._budget is not None and number > self._budget:
            raise BudgetSpent(
                f"the budget of {self._budget} trials is spent; --resume with a larger one goes on"
            )
        return number

    def _make(self, making: _Making) -> Trial:
        launches = making.launches
        for _ in range(UNRESOLVED_ATTEMPTS):
            verdict, reason = self._play_all(making)
            if verdict is not Verdict.UNRESOLVED:
                worse = None
                if verdict is Verdict.WORKS:
                    worse = self._degradation(making.trial.grant, launches)
                return Trial(
                    number=making.trial.number,
                    phase=making.trial.phase,
                    grant=making.trial.grant,
                    launches=tuple(launches),
                    verdict=verdict,
                    reason=reason if worse is None else f"degraded: {worse}",
                    degraded=worse is not None,
                )
        raise EngineError(f"{self._engine.name}: a launch cannot be judged: {reason}")

    def _degradation(self, grant: Grant, launches: Iterable[Launch]) -> str | None:
        """Why a trial that works is degraded, or None.

        What has stormed once degrades each trial without it: the end of a test may cut a storm short, and a
        program may not attempt each time what it spins on (mariadb calls clock_nanosleep in one launch of
        ten, and when it is denied once or 286 times).
        """
        for launch in launches:
            seen = next(iter(storms(launch, self._usual).values()), None) or slowness(launch, self._usual)
            if seen is not None:
                return seen
        for privilege in sorted(lacking(grant, self.stormy)):
            return f"{privilege} is denied, which has set off a storm of denials before"
        return None

    def _play_all(self, making: _Making) -> tuple[Verdict, str]:
        """Play scenarios until one does not work; what an earlier run has launched is judged first."""
        verdict, reason = Verdict.WORKS, "no scenario"
        for scenario, stage in sorted(
            self._most_telling_first(), key=lambda item: not making.left.get(item[0].name)
        ):
            launch = self._launch(scenario, stage, making)
            for _ in range(COMPARISONS):
                if not (only_differs(launch, self._usual) and self._may_be_usual(launch, scenario, stage)):
                    break
            verdict, reason = judge(launch, self._usual)
            self._played[scenario.name] += 1
            if verdict is not Verdict.WORKS:
                self._broke[scenario.name] += 1
                return verdict, f"{scenario.name}: {reason}"
        return verdict, reason

    def _launch(self, scenario: Scenario, stage: Stage, making: _Making) -> Launch:
        if left := making.left.get(scenario.name):
            return left.popleft()
        launch = self._play(scenario, making.adapt(stage), making.trial.grant)
        with self._lock:
            if self._stopped:
                raise Interrupted("stopped while a trial was under way")
            self._recorder.record_launch(making.trial.number, launch)
        making.launches.append(launch)
        return launch

    def _most_telling_first(self) -> list[tuple[Scenario, Stage]]:
        """By the seconds that they take for each break that they find; at first as they were given.

        Of tests the first of which that fails decides, this order takes the least time on average.
        """

        def cost_s(item: tuple[Scenario, Stage]) -> float:
            name = item[0].name
            telling = (self._broke[name] + 1) / (self._played[name] + 2)
            return self._usual.slowest_s.get(name, 0.0) / telling

        return sorted(self._stages.items(), key=cost_s)

    def _may_be_usual(self, launch: Launch, scenario: Scenario, stage: Stage) -> bool:
        """Whether one more launch with everything granted shows more that may vary.

        None is made for a difference that was seen, apart from numbers in it, where such a launch has shown
        nothing new: a search meets each difference several times (21 such launches of 4 s for nginx, whose
        log is compared, a fifth of its search).
        """
        difference = (scenario.name, re.sub(r"\d+", "0", judge(launch, self._usual)[1]))
        if difference in self._differences:
            return False
        if self._compare_again(scenario, stage):
            return True
        self._differences.add(difference)
        return False

    def _compare_again(self, scenario: Scenario, stage: Stage) -> bool:
        """Launch a scenario with everything granted once more; whether it shows more that may vary."""
        before = self._usual
        grant = before.grant
        if grant is None:
            return False
        launch = self._play(scenario, stage, grant)
        with self._lock:
            self._usual = widened(self._usual, launch)
            trial = Trial(
                number=self._take_number(),
                phase="compare",
                grant=grant,
                launches=(launch,),
                verdict=(judged := judge(launch, self._usual))[0],
                reason=judged[1],
            )
            if self._stopped:
                raise Interrupted("stopped while a trial was under way")
            self._recorder.record_trial(trial)
            self._keep(trial)
        self._on_trial(trial)
        return self._usual != before

    def _play(self, scenario: Scenario, stage: Stage, grant: Grant) -> Launch:
        for attempt in stamina.retry_context(on=EngineError, attempts=ENGINE_ATTEMPTS, timeout=None):
            with attempt:
                return play(self._engine, scenario, stage, grant)
        raise AssertionError("unreachable: the last attempt raises")


def lacking(grant: Grant, stormy: AbstractSet[Privilege]) -> frozenset[Privilege]:
    """What a grant lacks of what is known to storm; nothing under the default filter, which allows it."""
    return frozenset() if grant.syscalls is None else frozenset(stormy - grant.privileges)


def _by_question(trials: Iterable[_Asked]) -> Mapping[tuple[str, Grant], deque[_Asked]]:
    questions = defaultdict[tuple[str, Grant], deque[_Asked]](deque)
    for trial in trials:
        questions[trial.phase, trial.grant].append(trial)
    return questions
