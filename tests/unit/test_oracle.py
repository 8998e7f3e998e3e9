"""The oracle makes trials, each of them once, and puts them on record before anybody learns of them.

- Numbers count on from the record; what is on record is handed out again, in its order, and not launched.
- So are the launches of a trial that has no verdict yet; only the scenarios that are missing are launched.
- The budget counts trials; a broken engine is tried again, and nothing is judged from it.
- The first scenario that breaks decides. After `stop` nothing counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import stamina

from capmin.engines import Container, LaunchSpec
from capmin.engines.simulated import SimulatedContainer, SimulatedEngine
from capmin.engines.simulated_program import Needs, Program, Run, Tries
from capmin.errors import BudgetSpent, EngineError, Interrupted
from capmin.grant import Grant
from capmin.judge import Usual, usual_of
from capmin.oracle import ENGINE_ATTEMPTS, UNRESOLVED_ATTEMPTS
from capmin.privileges import Syscall
from capmin.scenario import Scenario
from capmin.trial import Granted, Launch, Trial, Verdict
from tests.unit.campaigning import (
    CHOWN,
    IMAGE,
    NOTHING,
    FailingEngine,
    Memory,
    denial,
    launch,
    oracle_on,
)

PROGRAM = {IMAGE: Program(steps=(Needs("CAP_CHOWN"),))}
ENOUGH = Grant(capabilities=frozenset({CHOWN}))


@pytest.fixture(autouse=True)
def _no_back_off() -> Iterator[None]:
    with stamina.set_testing(True, attempts=ENGINE_ATTEMPTS):
        yield


def test_a_trial_says_whether_its_grant_works() -> None:
    oracle = oracle_on(SimulatedEngine(PROGRAM))
    works, breaks = oracle.ask(ENOUGH, phase="a"), oracle.ask(NOTHING, phase="b")
    assert (works.number, works.phase, works.verdict) == (1, "a", Verdict.WORKS)
    assert (breaks.number, breaks.phase, breaks.verdict) == (2, "b", Verdict.BREAKS)
    assert breaks.reason == "test: the test ended with exit code 70"
    assert oracle.trials == (works, breaks)


def test_the_same_question_is_a_new_trial() -> None:
    oracle = oracle_on(SimulatedEngine(PROGRAM))
    assert [oracle.ask(ENOUGH, phase="a").number for _ in range(3)] == [1, 2, 3]


def test_it_is_on_record_before_it_is_told() -> None:
    memory, told = Memory(), list[Trial]()
    oracle = oracle_on(SimulatedEngine(PROGRAM), recorder=memory, told=told)
    trial = oracle.ask(ENOUGH, phase="a")
    assert memory.recorded == told == [trial]


def test_what_is_on_record_is_not_made_again() -> None:
    memory = Memory()
    first = oracle_on(SimulatedEngine(PROGRAM), recorder=memory)
    before = [first.ask(grant, phase="a") for grant in (ENOUGH, NOTHING, ENOUGH)]

    told = list[Trial]()
    again = oracle_on(SimulatedEngine(PROGRAM), recorder=memory, told=told)
    assert [again.ask(grant, phase="a") for grant in (ENOUGH, ENOUGH, NOTHING)] == [
        before[0],
        before[2],
        before[1],
    ]
    assert told == []
    assert again.ask(ENOUGH, phase="a").number == 4
    assert again.ask(NOTHING, phase="b").number == 5
    assert len(memory.recorded) == 5


class Killed(Exception):
    """The end of a process in the middle of a trial."""


class KilledAfter(Memory):
    """A memory whose process ends as soon as so many launches are on record."""

    left = 1

    def record_launch(self, number: int, launch: Launch) -> None:
        super().record_launch(number, launch)
        self.left -= 1
        if not self.left:
            raise Killed


TWO = (Scenario(name="one", test=("x",)), Scenario(name="two", test=("x",)))


@pytest.mark.parametrize(("grant", "launches"), [(ENOUGH, ["one", "two"]), (NOTHING, ["one"])])
def test_of_a_trial_under_way_only_what_is_missing_is_launched(grant: Grant, launches: list[str]) -> None:
    memory = KilledAfter()
    with pytest.raises(Killed):
        oracle_on(SimulatedEngine(PROGRAM), recorder=memory, scenarios=TWO).ask(grant, phase="a")
    (begun,) = memory.open_trials()
    assert (begun.number, [launch.scenario for launch in begun.launches]) == (1, ["one"])

    again = oracle_on(SimulatedEngine(PROGRAM), recorder=memory, scenarios=TWO)
    assert again.ask(ENOUGH, phase="b").number == 2
    # What would be played first by now is no matter: what is on record is judged first.
    again.set_usual(Usual(slowest_s={"one": 5.0, "two": 1.0}))
    trial = again.ask(grant, phase="a")
    assert trial.number == 1
    assert [launch.scenario for launch in trial.launches] == launches
    assert trial.launches[0] is begun.launches[0]
    assert memory.open_trials() == ()
    assert again.ask(grant, phase="a").number == 3


def test_what_could_not_be_judged_is_launched_again() -> None:
    more = Granted(
        bounding=frozenset({CHOWN}), effective=frozenset(), seccomp_mode=2, no_new_privileges=False
    )
    odd = launch(NOTHING, granted=more)
    memory = Memory()
    for number in range(1, 4):
        memory.begin(number, phase="a", grant=NOTHING)
    for _ in range(UNRESOLVED_ATTEMPTS):
        memory.record_launch(1, odd)
    trial = oracle_on(SimulatedEngine(PROGRAM), recorder=memory).ask(NOTHING, phase="a")
    assert (trial.number, trial.verdict) == (1, Verdict.BREAKS)
    assert trial.launches[:-1] == (odd,) * UNRESOLVED_ATTEMPTS


def test_the_budget_is_of_trials() -> None:
    memory = Memory()
    oracle = oracle_on(SimulatedEngine(PROGRAM), recorder=memory, budget=2)
    oracle.ask(ENOUGH, phase="a")
    oracle.ask(NOTHING, phase="a")
    with pytest.raises(BudgetSpent, match="the budget of 2 trials is spent; --resume"):
        oracle.ask(ENOUGH, phase="a")
    larger = oracle_on(SimulatedEngine(PROGRAM), recorder=memory, budget=3)
    assert [larger.ask(grant, phase="a").number for grant in (ENOUGH, NOTHING, ENOUGH)] == [1, 2, 3]


def test_a_broken_engine_is_tried_again() -> None:
    assert oracle_on(FailingEngine(PROGRAM, failures=2)).ask(ENOUGH, phase="a").verdict is Verdict.WORKS


def test_one_that_stays_broken_is_no_verdict() -> None:
    memory = Memory()
    oracle = oracle_on(FailingEngine(PROGRAM, failures=99), recorder=memory)
    with pytest.raises(EngineError, match="the daemon is gone"):
        oracle.ask(ENOUGH, phase="a")
    assert memory.recorded == []


def test_all_scenarios_have_to_work_and_the_first_that_breaks_decides() -> None:
    scenarios = (Scenario(name="one", test=("x",)), Scenario(name="two", test=("x",)))
    oracle = oracle_on(SimulatedEngine(PROGRAM), scenarios=scenarios)
    assert [launch.scenario for launch in oracle.ask(ENOUGH, phase="a").launches] == ["one", "two"]
    breaks = oracle.ask(NOTHING, phase="a")
    assert [launch.scenario for launch in breaks.launches] == ["one"]
    assert breaks.reason.startswith("one: ")


def test_after_stop_nothing_counts() -> None:
    memory = Memory()
    oracle = oracle_on(SimulatedEngine(PROGRAM), recorder=memory)
    oracle.stop()
    with pytest.raises(Interrupted):
        oracle.ask(ENOUGH, phase="a")
    assert memory.recorded == []
    assert oracle.trials == ()


def test_what_is_cheap_and_telling_is_played_first() -> None:
    scenarios = (Scenario(name="slow", test=("x",)), Scenario(name="quick", test=("x",)))
    oracle = oracle_on(SimulatedEngine(PROGRAM), scenarios=scenarios)

    def order() -> list[str]:
        return [launch.scenario for launch in oracle.ask(ENOUGH, phase="a").launches]

    assert order() == ["slow", "quick"]
    oracle.set_usual(Usual(slowest_s={"slow": 5.0, "quick": 1.0}))
    assert order() == ["quick", "slow"]
    for _ in range(20):
        oracle._played["quick"] += 1
    assert order() == ["slow", "quick"]


SPINNER = {IMAGE: Program(steps=(Tries("pselect6"), Tries("times")))}


class Storming(SimulatedEngine):
    """A program that calls times now and then, and in a storm of pselect6, whenever that is denied."""

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        assert spec.image.reference == IMAGE
        storm = "pselect6" not in (grant.syscalls or ())
        attempts = (denial("times", count=2381 if storm else 1), *([denial("pselect6", count=2375)] * storm))
        run = Run(passes=True, ended_normally=True, attempts=())
        yield SimulatedContainer(run, is_service=False, attempts=attempts)


def test_what_only_takes_part_in_a_storm_is_not_blamed() -> None:
    oracle = oracle_on(Storming(SPINNER))
    oracle.set_usual(Usual(uses={Syscall("times"): 1, Syscall("pselect6"): 4}))
    calm = NOTHING.with_syscalls({Syscall("pselect6")})
    assert not oracle.ask(calm, phase="a").degraded
    assert oracle.ask(NOTHING.with_syscalls(()), phase="a").degraded
    assert oracle.stormy == {"pselect6"}
    assert not oracle.ask(calm, phase="b").degraded


def test_each_may_be_to_blame_where_a_storm_was_cut_short() -> None:
    oracle = oracle_on(Storming(SPINNER))
    oracle.set_usual(Usual(uses={Syscall("times"): 1}))
    assert oracle.ask(NOTHING.with_syscalls(()), phase="a").degraded
    assert oracle.stormy == {"pselect6", "times"}


def test_what_cannot_be_granted_is_not_blamed() -> None:
    """Otherwise no grant would do."""
    oracle = oracle_on(Storming({IMAGE: Program(steps=(Tries("pselect6"),))}))
    oracle.set_usual(Usual(uses={Syscall("kill"): 1}))
    assert oracle.ask(NOTHING.with_syscalls(()), phase="a").degraded
    assert oracle.stormy == {"pselect6"}


class StormingOnce(SimulatedEngine):
    """A program that calls pselect6 in its first launch only; denied, it spins."""

    launched = 0

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        self.launched += 1
        attempts = (denial("pselect6", count=286),) if self.launched == 1 else ()
        run = Run(passes=True, ended_normally=True, attempts=())
        assert spec.image.reference == IMAGE
        assert grant.syscalls is not None
        yield SimulatedContainer(run, is_service=False, attempts=attempts)


def test_what_has_stormed_once_is_missed_where_it_is_not_attempted() -> None:
    oracle = oracle_on(StormingOnce(SPINNER))
    oracle.set_usual(Usual(uses={Syscall("times"): 1}))
    assert "denied 286 times" in oracle.ask(NOTHING.with_syscalls(()), phase="a").reason
    assert "a storm of denials before" in oracle.ask(NOTHING.with_syscalls(()), phase="a").reason
    assert not oracle.ask(NOTHING.with_syscalls({Syscall("pselect6")}), phase="a").degraded


class Telling(SimulatedEngine):
    """A program that passes, tells its number, and complains of what it is denied."""

    launched = 0

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        assert spec.image.reference == IMAGE
        self.launched += 1
        words = [
            f"{self.launched}: {name} denied"
            for name in ("chown", "kill")
            if name not in (grant.syscalls or ())
        ]
        yield Teller(" ".join(words or ["ready"]))


class Teller(SimulatedContainer):
    def __init__(self, words: str) -> None:
        super().__init__(Run(passes=True, ended_normally=True, attempts=()), is_service=False)
        self._words = words

    def output(self) -> str:
        return self._words


def test_a_difference_is_compared_once() -> None:
    """Numbers in it apart; a launch with everything granted has to show that it is none that varies."""
    told = list[Trial]()
    scenario = Scenario(test=("x",), compare=("output",))
    oracle = oracle_on(Telling(PROGRAM), scenarios=(scenario,), told=told)
    all_of_it = NOTHING.with_syscalls({Syscall("chown"), Syscall("kill")})
    oracle.set_usual(usual_of(oracle.ask(all_of_it, phase="a").launches))
    for calls in ({"kill"}, {"kill"}, {"chown"}, {"kill"}):
        grant = NOTHING.with_syscalls(map(Syscall, calls))
        assert oracle.ask(grant, phase="a").verdict is Verdict.BREAKS
    assert [trial.phase for trial in told] == ["a", "compare", "a", "a", "compare", "a", "a"]
