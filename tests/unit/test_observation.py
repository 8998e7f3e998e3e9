"""Observation ends when two rounds that pass have seen nothing new, and counts the most that one run made.

- What a round saw is granted in the next; what is used now and then is seen as well.
- A round that fails adds what it saw.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from capmin.engines import Container, LaunchSpec, Observe
from capmin.engines.simulated import SimulatedContainer, SimulatedEngine
from capmin.engines.simulated_program import Needs, Program, Run, Tries
from capmin.grant import Grant
from capmin.observation import MOST_ROUNDS, QUIET_ROUNDS, denied_syscalls, observe_syscalls, used_syscalls
from capmin.privileges import Syscall
from capmin.trial import Attempt, Trial, Verdict
from tests.unit.campaigning import IMAGE, NOTHING, denial, launch, oracle_on

PROGRAM = Program(steps=(Needs("socket"), Tries("poll"), Tries("poll"), Needs("bind")))


def use(name: str, count: int) -> Attempt:
    return Attempt(
        privilege=Syscall(name),
        syscall=Syscall(name),
        program="x",
        errno=None,
        count=count,
        first_s=0.0,
        last_s=0.0,
    )


class Moody(SimulatedEngine):
    """Makes one more call in each launch than in the one before, up to a number."""

    def __init__(self, most: int, *, passes: bool = True) -> None:
        super().__init__({IMAGE: PROGRAM})
        self.most, self.passes, self.launches = most, passes, 0

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        assert spec.observe is Observe.USES
        self.launches += 1
        names = {Syscall(f"call{number}") for number in range(min(self.launches, self.most))}
        run = Run(passes=self.passes, ended_normally=True, attempts=())
        new = names - (grant.syscalls or frozenset())
        yield SimulatedContainer(run, is_service=False, attempts=tuple(use(name, 1) for name in sorted(new)))


def observed(engine: SimulatedEngine) -> tuple[Mapping[Syscall, int], tuple[Trial, ...]]:
    oracle = oracle_on(engine)
    return observe_syscalls(oracle, NOTHING), oracle.trials


def test_what_a_program_uses_is_seen_and_counted() -> None:
    uses, trials = observed(SimulatedEngine({IMAGE: PROGRAM}))
    assert uses == {"socket": 1, "poll": 2, "bind": 1}
    assert [trial.grant.syscalls for trial in trials] == [frozenset(), *[frozenset(uses)] * QUIET_ROUNDS]


def test_what_is_used_now_and_then_is_seen() -> None:
    uses, trials = observed(Moody(4))
    assert set(uses) == {"call0", "call1", "call2", "call3"}
    assert len(trials) == 4 + QUIET_ROUNDS


def test_it_ends() -> None:
    _, trials = observed(Moody(1000))
    assert len(trials) == MOST_ROUNDS


def test_a_round_that_fails_adds_what_it_saw_and_is_not_quiet() -> None:
    uses, trials = observed(Moody(2, passes=False))
    assert set(uses) == {"call0", "call1"}
    assert len(trials) == MOST_ROUNDS


def test_denials_are_no_uses_and_the_busiest_launch_counts() -> None:
    launches = (
        launch(attempts=(use("poll", 3), use("poll", 4), denial("kill"))),
        launch(attempts=(use("poll", 5), use("bind", 1))),
        launch(attempts=None),
    )
    trial = Trial(
        number=1, phase="observe", grant=NOTHING, launches=launches, verdict=Verdict.WORKS, reason=""
    )
    assert used_syscalls(trial) == {"poll": 7, "bind": 1}
    assert denied_syscalls(trial) == {"kill": denial("kill").count}


def test_what_is_denied_as_usual_is_counted_and_not_granted() -> None:
    class Threads(SimulatedEngine):
        @contextmanager
        def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
            assert spec.observe is Observe.USES
            assert "clone3" not in (grant.syscalls or ())
            run = Run(passes=True, ended_normally=True, attempts=())
            yield SimulatedContainer(run, is_service=False, attempts=(denial("clone3", count=54),))

    uses, _ = observed(Threads({IMAGE: PROGRAM}))
    assert uses == {"clone3": 54}
