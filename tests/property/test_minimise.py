"""Laws of the search, against brute force on small lattices.

- The answer passes and is 1-minimal, whatever the algorithm, the test, the priors and what the oracle tells.
- Each element kept has a proof: trials that failed without it.
- The number of workers changes no answer that is the only one, and no validity.
- False failures cost repeats; the answer is right with the confidence asked for, or says what is undecided.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.engines.simulated_program import Program
from capmin.minimise import ALGORITHMS, Outcome, minimise
from tests.property.lattices import (
    ELEMENTS,
    EVERYTHING,
    alternative_steps,
    minimal_sets,
    monotone_steps,
    one_minimal,
    one_minimal_sets,
    oracle,
    programs,
    trap_steps,
    unhurried,
    works,
)

any_steps = st.one_of(monotone_steps, alternative_steps, trap_steps)
every_algorithm = pytest.mark.parametrize("algorithm", ["auto", *ALGORITHMS])


@every_algorithm
@unhurried
@given(program=programs(any_steps), denials=st.booleans(), attempts=st.booleans())
def test_answers_are_one_minimal(algorithm: str, program: Program, denials: bool, attempts: bool) -> None:  # noqa: FBT001
    ask = oracle(program, denials=denials, attempts=attempts)
    minimum = minimise(ELEMENTS, ask, algorithm=algorithm, known=[(EVERYTHING, ask(EVERYTHING))])
    assert one_minimal(program, minimum.kept)
    assert set(minimum.proofs) == minimum.kept
    assert not minimum.undecided


@every_algorithm
@unhurried
@given(program=programs(monotone_steps))
def test_a_single_minimum_is_found(algorithm: str, program: Program) -> None:
    assert {minimise(ELEMENTS, oracle(program), algorithm=algorithm).kept} == minimal_sets(program)


@unhurried
@given(program=programs(any_steps))
def test_proofs_name_trials_that_failed_without_the_element(program: Program) -> None:
    minimum = minimise(ELEMENTS, oracle(program))
    for element, proof in minimum.proofs.items():
        assert proof.element == element
        assert all(trial is not None and trial <= minimum.queries for trial in proof.failures)
        assert element not in proof.configuration
        assert not works(program, proof.configuration)


@unhurried
@given(program=programs(any_steps), chances=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_priors_change_cost_only(program: Program, chances: list[float]) -> None:
    prior = dict(zip(ELEMENTS, chances, strict=True)).__getitem__
    assert one_minimal(program, minimise(ELEMENTS, oracle(program), prior=prior).kept)


@pytest.mark.parametrize("workers", [2, 3, 8])
@unhurried
@given(program=programs(any_steps), denials=st.booleans())
def test_workers_change_no_single_answer(workers: int, program: Program, denials: bool) -> None:  # noqa: FBT001
    alone = minimise(ELEMENTS, oracle(program, denials=denials))
    with ThreadPoolExecutor(workers) as executor:
        together = minimise(ELEMENTS, oracle(program, denials=denials), executor=executor, workers=workers)
    assert one_minimal(program, together.kept)
    assert together.rounds <= together.queries
    if len(one_minimal_sets(program)) == 1:
        assert together.kept == alone.kept


@unhurried
@given(program=programs(monotone_steps))
def test_presumptions_hold_for_programs_without_alternatives_and_traps(program: Program) -> None:
    assert one_minimal(program, minimise(ELEMENTS, oracle(program), presume=True).kept)


@unhurried
@given(program=programs(any_steps))
def test_answers_that_are_only_left_to_be_proven(program: Program) -> None:
    minimum = minimise(ELEMENTS, oracle(program), found=ELEMENTS)
    assert one_minimal(program, minimum.kept)


@unhurried
@given(program=programs(any_steps), ends=st.integers(-3, 3), attempts=st.booleans(), odds=st.floats(0, 1))
def test_what_is_told_of_ends_and_believed_beforehand_changes_the_cost_only(
    program: Program,
    ends: int,
    attempts: bool,  # noqa: FBT001
    odds: float,
) -> None:
    ask = oracle(program, ends=ends, attempts=attempts)
    known = [(EVERYTHING, ask(EVERYTHING))]
    minimum = minimise(ELEMENTS, ask, known=known, prior=lambda element: odds * ELEMENTS.index(element) / 7)
    assert one_minimal(program, minimum.kept)


@unhurried
@given(program=programs(any_steps), attempts=st.booleans())
def test_an_answer_proven_among_what_was_dropped_is_one_minimal(program: Program, attempts: bool) -> None:  # noqa: FBT001
    ask = oracle(program, attempts=attempts)
    seen: list[tuple[frozenset[str], Outcome[str]]] = []

    def noting(configuration: frozenset[str]) -> Outcome[str]:
        seen.append((configuration, ask(configuration)))
        return seen[-1][1]

    found = minimise(ELEMENTS, noting).kept
    again = minimise(ELEMENTS, ask, found=found, known=seen)
    assert one_minimal(program, again.kept)
    assert not attempts or again.queries == 0


@unhurried
@given(program=programs(any_steps), seed=st.integers(0, 10**6))
def test_runs_are_repeatable(program: Program, seed: int) -> None:
    first, second = (minimise(ELEMENTS, oracle(program, seed=seed)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("algorithm", ["gbs", "denial-guided", "linear"])
@unhurried
@given(program=programs(any_steps, flake_rate=0.05), seed=st.integers(0, 10**6), denials=st.booleans())
def test_false_failures_leave_a_set_that_works(
    algorithm: str,
    program: Program,
    seed: int,
    denials: bool,  # noqa: FBT001
) -> None:
    ask = oracle(program, denials=denials, seed=seed)
    minimum = minimise(
        ELEMENTS, ask, algorithm=algorithm, flake_rate=0.05, known=[(EVERYTHING, ask(EVERYTHING))]
    )
    assert works(program, minimum.kept)
    for proof in minimum.proofs.values():
        assert len(proof.failures) >= 2
