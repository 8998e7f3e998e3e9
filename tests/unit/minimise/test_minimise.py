"""The search in small, with everything counted by hand."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from capmin.minimise import ALGORITHMS, MAX_REPEATS, Outcome, alternatives, minimise

EVERYTHING = frozenset("abcdefgh")
PASSES: Outcome[str] = Outcome(passes=True, denied=())


def needs(*elements: str) -> "Oracle":
    return Oracle(frozenset(elements))


class Oracle:
    def __init__(self, needed: frozenset[str]) -> None:
        self.needed = needed
        self.asked: list[frozenset[str]] = []

    def __call__(self, configuration: frozenset[str]) -> Outcome[str]:
        self.asked.append(configuration)
        return Outcome(passes=self.needed <= configuration, trial=len(self.asked))


def test_empty_first_costs_one_question_when_nothing_is_needed() -> None:
    minimum = minimise(EVERYTHING, needs(), try_empty_first=True)
    assert (minimum.kept, minimum.queries, minimum.rounds) == (frozenset(), 1, 1)


def test_no_candidates_need_no_question() -> None:
    assert minimise("", needs()).queries <= 1


def test_a_program_that_dies_of_each_lack_costs_k_plus_one() -> None:
    def ask(configuration: frozenset[str]) -> Outcome[str]:
        first = next((each for each in "bdf" if each not in configuration), None)
        return Outcome(passes=first is None, denied=(first,) if first else ())

    minimum = minimise(sorted(EVERYTHING), ask, known=[(EVERYTHING, Outcome(passes=True, denied=()))])
    assert minimum.kept == frozenset("bdf")
    assert minimum.queries == 4


def test_records_count_as_asked() -> None:
    first = needs("a", "c")
    minimise(sorted(EVERYTHING), first)
    known = [(each, first(each)) for each in tuple(first.asked)]
    assert minimise(sorted(EVERYTHING), needs("a", "c"), known=known).queries == 0


def test_a_trap_leaves_nothing_superfluous() -> None:
    def ask(configuration: frozenset[str]) -> Outcome[str]:
        return Outcome(passes="y" in configuration or "x" not in configuration)

    for algorithm in ALGORITHMS:
        assert minimise("xy", ask, algorithm=algorithm).kept == frozenset()
        assert minimise("yx", ask, algorithm=algorithm).kept == frozenset()


def test_false_failures_are_repeated_until_the_evidence_suffices() -> None:
    minimum = minimise("a", needs("a"), flake_rate=0.05, confidence=0.95)
    assert len(minimum.proofs["a"].failures) == 2


def test_a_test_as_good_as_a_coin_leaves_elements_undecided() -> None:
    minimum = minimise("ab", needs("a"), flake_rate=0.5)
    assert minimum.kept == minimum.undecided == {"a"}
    assert not minimum.proofs
    assert minimum.queries <= MAX_REPEATS + 4


def test_a_failure_without_the_attempt_is_no_evidence() -> None:
    def ask(configuration: frozenset[str]) -> Outcome[str]:
        return Outcome(passes="a" in configuration, denied=())

    assert minimise("a", ask).undecided == {"a"}
    assert minimise("a", ask, blind="a").undecided == frozenset()


@pytest.mark.parametrize("workers", [1, 4])
def test_what_the_oracle_raises_passes_through(workers: int) -> None:
    def ask(_: frozenset[str]) -> Outcome[str]:
        raise KeyboardInterrupt

    with ThreadPoolExecutor(workers) as executor, pytest.raises(KeyboardInterrupt):
        minimise(sorted(EVERYTHING), ask, executor=executor, workers=workers)


def test_workers_save_rounds() -> None:
    elements = range(64)
    needed = frozenset(range(0, 64, 3))

    def ask(configuration: frozenset[int]) -> Outcome[int]:
        return Outcome(passes=needed <= configuration)

    alone = minimise(elements, ask)
    with ThreadPoolExecutor(8) as executor:
        together = minimise(elements, ask, executor=executor, workers=8)
    assert alone.kept == together.kept == needed
    assert alone.rounds == alone.queries
    assert together.rounds <= alone.rounds / 4


def test_override_or_read_search_are_two_answers() -> None:
    def ask(configuration: frozenset[str]) -> Outcome[str]:
        return Outcome(passes=not configuration.isdisjoint({"CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"}))

    universe = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"]
    risks = {"CAP_DAC_OVERRIDE": 2.0, "CAP_DAC_READ_SEARCH": 1.0, "CAP_CHOWN": 1.0, "CAP_SYS_ADMIN": 9.0}
    found = alternatives(universe, ask, cost=risks.__getitem__, limit=10, budget=100)
    assert found.sets == (frozenset({"CAP_DAC_READ_SEARCH"}), frozenset({"CAP_DAC_OVERRIDE"}))
    assert found.complete


def test_a_failure_proves_for_all_that_grant_what_it_attempted() -> None:
    """It had ``h`` besides, and died before it came to that."""
    asked = needs("a", "b")
    died: Outcome[str] = Outcome(passes=False, denied=("a",), attempted=frozenset("a"))
    minimum = minimise("abh", asked, found="ab", known=[(frozenset("bh"), died), (frozenset("ab"), PASSES)])
    assert minimum.proofs.keys() == {"a", "b"}
    assert asked.asked == [frozenset("a")]


def test_a_failure_that_was_denied_nothing_proves_for_nothing_else() -> None:
    died: Outcome[str] = Outcome(passes=False, denied=(), attempted=frozenset())
    minimum = minimise("ab", needs("a"), known=[(frozenset("b"), died), (frozenset("ab"), PASSES)])
    assert minimum.kept == {"a"}


def test_what_is_doubted_goes_at_once() -> None:
    asked = needs("a")
    minimum = minimise("abcd", asked, found="abcd", prior=lambda element: 0.9 if element == "a" else 0.1)
    assert minimum.kept == {"a"}
    assert asked.asked[0] == {"a"}


def test_the_last_denial_of_what_failed_first_is_granted_first() -> None:
    """Another program came to ``c`` and ``d`` meanwhile; ``b`` was denied to one that ended well."""

    def ask(configuration: frozenset[str]) -> Outcome[str]:
        asked.append(configuration)
        passes = "a" in configuration
        return Outcome(
            passes=passes,
            denied=tuple(each for each in "abcd" if each not in configuration),
            fatal=() if passes else ("b", "a"),
            tolerated=frozenset("b"),
        )

    asked: list[frozenset[str]] = []
    everything = frozenset("abcd")
    assert minimise("abcd", ask, known=[(everything, ask(everything))]).kept == {"a"}
    assert asked[1:] == [frozenset(), frozenset("a")]


def test_what_follows_the_fatal_denial_was_never_called_before() -> None:
    """``x`` is no candidate: a program that was granted all did not call it."""
    asked: list[frozenset[str]] = []

    def ask(configuration: frozenset[str]) -> Outcome[str]:
        asked.append(configuration)
        passes = "a" in configuration
        denied = tuple(each for each in "axbc" if each not in configuration)
        return Outcome(passes=passes, denied=denied, fatal=() if passes else denied)

    everything = frozenset("abc")
    assert minimise("abc", ask, known=[(everything, ask(everything))]).kept == {"a"}
    assert asked[1:] == [frozenset(), frozenset("a")]


@pytest.mark.parametrize(("tolerated", "looks"), [("", 1), ("a", 2)])
def test_a_failure_that_nobody_expected_is_seen_twice_unless_its_end_explains_it(
    tolerated: str, looks: int
) -> None:
    def ask(configuration: frozenset[str]) -> Outcome[str]:
        passes = "a" in configuration
        return Outcome(
            passes=passes,
            denied=() if passes else ("a", "z"),
            fatal=() if passes else ("a", "z"),
            tolerated=frozenset(tolerated),
        )

    minimum = minimise(
        "a", ask, found="a", known=[(frozenset("a"), PASSES)], prior=lambda _: 0.1, steady=False
    )
    assert len(minimum.proofs["a"].failures) == looks
