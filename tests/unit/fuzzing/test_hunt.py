"""The hunt for counterexamples on scripted programs, whose traps and parts are known.

- A trap shrinks to the bait, and what it lacks is found: exactly the pair.
- Several traps are found one after the other; what nothing helps against is one, too.
- A part that is enough shrinks to the fewest privileges left out.
- Around the answer of a monotone program nothing is found; nor are failures by chance taken for something.
- The budget is kept to, but for the launches that confirm what was found, and mend it.
- Equal seeds give equal hunts.
"""

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Needs, NeedsNowAndThen, Program, Step, Trap, Tries
from capmin.fuzzing import Budget, Counterexample, Hunt, Kind, Question, hunt, replay
from capmin.fuzzing import Tries as Trying
from capmin.fuzzing.tries import MENDING
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from tests.unit.campaigning import IMAGE, SCENARIO, Memory

CALLS = tuple(Syscall(f"call_{number:03}") for number in range(60))
KILL, CHOWN, MKNOD = map(Capability, ("CAP_KILL", "CAP_CHOWN", "CAP_MKNOD"))
CAPABILITIES = (KILL, CHOWN, MKNOD, Capability("CAP_SETUID"), Capability("CAP_SETGID"))
UNUSED = tuple(Tries(name) for name in (*CALLS, *CAPABILITIES))
NEEDED: tuple[Privilege, ...] = (CHOWN, CALLS[0], CALLS[1])


@dataclass(frozen=True, kw_only=True)
class Fuzzing:
    """A hunt that is over."""

    found: Hunt
    tries: Trying
    memory: Memory
    told: list[Counterexample]

    @property
    def only(self) -> Counterexample:
        [found] = self.found.counterexamples
        return found


def fuzz(
    *steps: Step,
    needed: tuple[Privilege, ...] = NEEDED,
    flake_rate: float = 0.0,
    launches: int | None = 200,
    seed: int = 0,
    **more: Any,  # noqa: ANN401 - Tries' and Question's
) -> Fuzzing:
    tries, memory = tries_on(
        *steps, needed=needed, flake_rate=flake_rate, launches=launches, seed=seed, **more
    )
    told: list[Counterexample] = []
    return Fuzzing(found=hunt(tries, seed=seed, on_found=told.append), tries=tries, memory=memory, told=told)


def tries_on(
    *steps: Step,
    needed: tuple[Privilege, ...],
    needs: tuple[Privilege, ...] | None = None,
    flake_rate: float = 0.0,
    launches: int | None = None,
    seed: int = 0,
    beyond: tuple[Privilege, ...] | None = None,
    observes: bool = True,
) -> tuple[Trying, Memory]:
    program = Program(
        steps=(*UNUSED, *map(Needs, needed if needs is None else needs), *steps), flake_rate=flake_rate
    )
    every: tuple[Privilege, ...] = (*CAPABILITIES, *CALLS)
    question = Question(
        image=IMAGE,
        scenarios=(SCENARIO,),
        answer=Grant(capabilities=frozenset(), syscalls=frozenset()).adding(frozenset(needed)),
        needed=needed,
        beyond=tuple(name for name in every if name not in needed) if beyond is None else beyond,
        denied_errno=errno.ENOSYS,
    )
    memory = Memory()
    tries = Trying(
        question=question,
        engine=SimulatedEngine(
            {IMAGE: program}, seed=seed, observes_syscalls=observes, observes_capabilities=observes
        ),
        executor=ThreadPoolExecutor(1),
        recorder=memory,
        budget=Budget(launches=launches),
        watch=lambda *_: None,
    )
    tries.begin()
    return tries, memory


def names(*privileges: Privilege) -> frozenset[Privilege]:
    return frozenset(privileges)


@pytest.mark.parametrize("observes", [True, False])
@pytest.mark.parametrize(
    ("bait", "needs"),
    [(CALLS[37], CALLS[30]), (KILL, MKNOD), (KILL, CALLS[59]), (CALLS[2], MKNOD)],
)
def test_a_trap_shrinks_to_the_pair(bait: Privilege, needs: Privilege, observes: bool) -> None:  # noqa: FBT001 - a parameter
    fuzzing = fuzz(Trap(bait, needs), observes=observes)
    found = fuzzing.only
    assert (found.kind, found.granted, found.lacking) == (Kind.TRAP, names(bait), names(needs))
    assert found.smallest
    assert (found.seen.passed, found.seen.runs) == (5, 5)
    assert found.grant == fuzzing.tries.question.answer.adding(names(bait))
    assert fuzzing.told == [found]


def test_several_traps_are_found() -> None:
    fuzzing = fuzz(Trap(CALLS[50], CALLS[53]), Trap(KILL, MKNOD), Trap(CALLS[51], CALLS[52]), launches=1000)
    found = {(each.granted, each.lacking) for each in fuzzing.found.counterexamples}
    assert found == {
        (names(CALLS[50]), names(CALLS[53])),
        (names(KILL), names(MKNOD)),
        (names(CALLS[51]), names(CALLS[52])),
    }


def test_what_nothing_helps_against_is_told_once() -> None:
    found = fuzz(Trap(KILL, "unheard_of")).only
    assert (found.granted, found.lacking) == (names(KILL), names())


def test_a_smaller_answer_is_found() -> None:
    """Each of the two is needed while the other is there: the answer is 1-minimal, and not the smallest."""
    one, other = CALLS[0], CALLS[1]
    both_or_none = (Trap(one, other), Trap(other, one))
    found = fuzz(*both_or_none, needs=(CHOWN,), needed=(CHOWN, one, other), beyond=()).only
    assert (found.kind, found.withheld) == (Kind.PART, names(one, other))
    assert found.grant.privileges == names(CHOWN)


def test_around_a_monotone_answer_nothing_is_found() -> None:
    fuzzing = fuzz(launches=100)
    assert fuzzing.found.holds
    assert fuzzing.found.counterexamples == []
    assert fuzzing.tries.wider > 50
    assert fuzzing.tries.parts == 7  # every proper part of three
    assert fuzzing.tries.doubtful == 0


@pytest.mark.parametrize("seed", range(3))
def test_failures_by_chance_are_no_counterexamples(seed: int) -> None:
    fuzzing = fuzz(flake_rate=0.15, launches=150, seed=seed)
    assert fuzzing.found.counterexamples == []
    assert fuzzing.tries.doubtful > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_trap_is_found_in_tests_that_fail_by_themselves(seed: int) -> None:
    found = fuzz(Trap(CALLS[37], CALLS[30]), flake_rate=0.15, seed=seed, launches=600).only
    assert (found.granted, found.lacking) == (names(CALLS[37]), names(CALLS[30]))


def test_passes_by_chance_are_no_parts() -> None:
    fuzzing = fuzz(NeedsNowAndThen(CALLS[2], 0.8), needed=(CHOWN, CALLS[2]), launches=300)
    assert fuzzing.found.counterexamples == []


def test_an_answer_that_fails_is_told_and_nothing_drawn() -> None:
    fuzzing = fuzz(Needs(CALLS[9]))
    assert fuzzing.found.holds is False
    assert fuzzing.found.reason == "test: the test ended with exit code 70"
    assert fuzzing.tries.wider == fuzzing.tries.parts == 0


@pytest.mark.parametrize("launches", [1, 7, 40])
def test_the_budget_is_kept(launches: int) -> None:
    fuzzing = fuzz(Trap(CALLS[37], CALLS[30]), launches=launches)
    telling = (5 + MENDING) * len(fuzzing.found.counterexamples)
    assert fuzzing.tries.launches <= launches + telling
    assert not fuzzing.found.exhausted


def test_what_the_budget_left_unshrunk_is_said_to_be() -> None:
    """Some budget ends in the midst of shrinking; what was found by then is confirmed all the same."""
    for launches in range(10, 60, 5):
        found = fuzz(Trap(CALLS[37], CALLS[30]), launches=launches).found.counterexamples
        if found and not found[0].smallest:
            assert found[0].granted > names(CALLS[37])
            assert found[0].lacking == names(CALLS[30])
            return
    pytest.fail("no budget ended while shrinking")


def test_few_privileges_are_exhausted() -> None:
    fuzzing = fuzz(beyond=(KILL, MKNOD), launches=None)
    assert fuzzing.found.exhausted
    assert (fuzzing.tries.wider, fuzzing.tries.parts) == (3, 7)


def test_equal_seeds_give_equal_hunts() -> None:
    def grants(seed: int) -> list[Grant]:
        fuzzing = fuzz(Trap(CALLS[37], CALLS[30]), launches=150, seed=seed)
        return [trial.grant for trial in fuzzing.memory.trials() if trial.phase == "fuzz"]

    assert grants(1) == grants(1)
    assert grants(1) != grants(2)


def test_a_replay_tells_whether_it_still_stands() -> None:
    found = fuzz(Trap(KILL, MKNOD)).only
    same, _ = tries_on(Trap(KILL, MKNOD), needed=NEEDED)
    replayed = replay(same, found, runs=3)
    assert (replayed.stands, replayed.mended, replayed.seen.passed) == (True, True, 3)
    mended, _ = tries_on(needed=NEEDED)
    assert not replay(mended, found, runs=3).stands
