"""Laws of the enumeration, against brute force on small lattices.

- Within limit and budget, exactly the minimal sets come out, the cheapest first, and it is known that
  these are all.
- Beyond them what comes out is minimal all the same, and said to be incomplete.
- With traps each set is still 1-minimal.
"""

from hypothesis import given
from hypothesis import strategies as st

from capmin.engines.simulated_program import Program
from capmin.minimise import alternatives, minimise
from tests.property.lattices import (
    ELEMENTS,
    alternative_steps,
    minimal_sets,
    monotone_steps,
    one_minimal,
    oracle,
    programs,
    trap_steps,
    unhurried,
)

steps = st.one_of(monotone_steps, alternative_steps)
ENOUGH = 10_000


def cost(element: str) -> float:
    return float(ord(element) - ord("a"))


@unhurried
@given(program=programs(steps), denials=st.booleans())
def test_all_minimal_sets_come_out(program: Program, denials: bool) -> None:  # noqa: FBT001
    found = alternatives(ELEMENTS, oracle(program, denials=denials), cost=cost, limit=ENOUGH, budget=ENOUGH)
    assert len(found.sets) == len(set(found.sets))
    assert set(found.sets) == minimal_sets(program)
    assert found.complete
    costs = [sum(map(cost, answer)) for answer in found.sets]
    assert costs == sorted(costs)


@unhurried
@given(program=programs(steps))
def test_what_is_known_is_not_searched_again(program: Program) -> None:
    first = minimise(ELEMENTS, oracle(program)).kept
    found = alternatives(ELEMENTS, oracle(program), cost=cost, first=first, limit=ENOUGH, budget=ENOUGH)
    assert first in found.sets
    assert set(found.sets) == minimal_sets(program)


@unhurried
@given(program=programs(steps), limit=st.integers(1, 3), budget=st.integers(0, 20))
def test_limits_are_kept_and_admitted(program: Program, limit: int, budget: int) -> None:
    found = alternatives(ELEMENTS, oracle(program), cost=cost, limit=limit, budget=budget)
    every = minimal_sets(program)
    assert len(found.sets) <= limit
    assert found.queries <= budget
    assert set(found.sets) <= every
    assert not found.complete or set(found.sets) == every


@unhurried
@given(program=programs(st.one_of(steps, trap_steps)))
def test_traps_leave_one_minimal_sets(program: Program) -> None:
    found = alternatives(ELEMENTS, oracle(program), cost=cost, limit=ENOUGH, budget=ENOUGH)
    assert all(one_minimal(program, answer) for answer in found.sets)
