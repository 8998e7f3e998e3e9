"""All minimal answers, the least costly first: implicit hitting sets.

E. Moreno-Centeno and R. M. Karp, "The implicit hitting set approach to solve combinatorial optimization
problems", Operations Research 61 (2013). Excluding the supersets of what was found turns it into an
enumeration, as in MARCO (M. H. Liffiton, A. Previti, A. Malik and J. Marques-Silva, "Fast, flexible MUS
enumeration", Constraints 21 (2016)).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, Protocol

from capmin.minimise.certify import Standard, certify
from capmin.minimise.gbs import gbs
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import Ask, E, Outcome

# MaxSAT weighs in whole numbers; costs closer than this to each other count as equal.
_COST_STEPS = 1000

# algorithms.md: the culprit is nearly always among the last three denials; beyond them a search is cheaper.
_SUFFIXES = (1, 2, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternatives(Generic[E]):
    """The minimal answers found.

    Attributes:
        sets: each passes and is 1-minimal; the cheapest first.
        complete: whether these are all there are; False when the limit or the budget ended the enumeration.
        queries: calls of the oracle.
    """

    sets: tuple[frozenset[E], ...]
    complete: bool
    queries: int


class _OverBudgetError(Exception):
    """No question may be asked any more; never leaves this module."""


def alternatives(
    universe: Iterable[E],
    ask: Ask[E],
    *,
    cost: Callable[[E], float],
    first: frozenset[E] | None = None,
    limit: int,
    budget: int,
    known: Sequence[tuple[frozenset[E], Outcome[E]]] = (),
) -> Alternatives[E]:
    """Enumerate the minimal sets that pass, the least costly first.

    Invariant: every passing subset of `universe` contains an element of each cut. So a cheapest hitting set
    of the cuts that passes is a minimal answer and none is cheaper; one that fails yields a cut that it
    does not hit. When no hitting set is left that contains none of the answers, there are no more answers.
    That is exact for monotone tests. With traps each answer is still proven 1-minimal on its own
    (`certify`), but some may be missed. Nothing outside `universe` is ever granted, and `universe` itself
    must pass.

    Args:
        universe: what may be granted, in canonical order.
        ask: the oracle.
        cost: what it costs to keep an element (its risk); not negative.
        first: an answer known already, which is not searched again.
        limit: the number of answers after which to stop.
        budget: the number of questions after which to stop.
        known: what was asked before.
    """
    spent = 0

    def within_budget(configuration: frozenset[E]) -> Outcome[E]:
        nonlocal spent
        if spent >= budget:
            raise _OverBudgetError
        spent += 1
        return ask(configuration)

    inquiry = Inquiry(universe, within_budget, known=known)
    found: list[frozenset[E]] = [] if first is None else [first]
    hitting_sets = _HittingSets(inquiry.candidates, cost, found)
    try:
        for element in inquiry.in_order(first or ()):
            # Mostly nothing can stand in for it; a run that was denied nothing else says so for free.
            if not inquiry.passes(inquiry.everything - {element}):
                hitting_sets.cut(frozenset({element}))
        complete = _enumerate(inquiry, hitting_sets, found, limit)
    except _OverBudgetError:
        complete = False
    by_cost = sorted(found, key=lambda answer: sum(map(cost, answer)))
    return Alternatives(sets=tuple(by_cost[:limit]), complete=complete, queries=spent)


def _enumerate(
    inquiry: Inquiry[E], hitting_sets: "_HittingSets[E]", found: list[frozenset[E]], limit: int
) -> bool:
    """Append to `found` until there is no more (True) or enough (False)."""
    while (candidate := hitting_sets.cheapest()) is not None:
        if len(found) >= limit:
            return False
        if inquiry.passes(candidate):
            answer = _proven(inquiry, candidate)
            found.append(answer)
            hitting_sets.exclude_supersets(answer)
        else:
            hitting_sets.cut(_cut(inquiry, candidate))
    return True


def _proven(inquiry: Inquiry[E], answer: frozenset[E]) -> frozenset[E]:
    standard = Standard.of(flake_rate=0.0, confidence=0.95, candidates=len(inquiry.candidates), max_repeats=1)
    return certify(inquiry, answer, standard).kept


def _cut(inquiry: Inquiry[E], failing: frozenset[E]) -> frozenset[E]:
    """A small set, disjoint from `failing`, without which even everything else fails."""
    absent = inquiry.everything - failing
    denied = [element for element in inquiry.outcome(failing).denied or () if element in absent]
    for length in _SUFFIXES:
        suffix = frozenset(denied[-length:])
        if len(suffix) == length and not inquiry.passes(inquiry.everything - suffix):
            return suffix
    likely = frozenset(denied)
    if likely and likely != absent and not inquiry.passes(inquiry.everything - likely):
        return _shrunk(inquiry, likely)
    return _shrunk(inquiry, absent)


def _shrunk(inquiry: Inquiry[E], cut: frozenset[E]) -> frozenset[E]:
    """A minimal part of `cut` that is a cut: the same search, for what makes the test fail by its absence."""

    def dual(absent: frozenset[E]) -> Outcome[E]:
        return Outcome(passes=not inquiry.passes(inquiry.everything - absent))

    return gbs(Inquiry(inquiry.in_order(cut), dual, known=[(cut, Outcome(passes=True))]))


class _Solver(Protocol):
    def add_clause(self, clause: list[int], weight: int | None = None) -> None: ...

    def compute(self) -> list[int] | None: ...


class _HittingSets(Generic[E]):
    """The cuts and the answers as a MaxSAT problem: a variable says that its element is granted."""

    def __init__(
        self, elements: Sequence[E], cost: Callable[[E], float], found: Iterable[frozenset[E]]
    ) -> None:
        self._elements = elements
        self._variable = {element: number for number, element in enumerate(elements, start=1)}
        self._solver = _maxsat(
            {self._variable[each]: 1 + ceil(_COST_STEPS * cost(each)) for each in elements}
        )
        for answer in found:
            self.exclude_supersets(answer)

    def cut(self, elements: frozenset[E]) -> None:
        self._solver.add_clause(sorted(self._variable[element] for element in elements))

    def exclude_supersets(self, answer: frozenset[E]) -> None:
        self._solver.add_clause(sorted(-self._variable[element] for element in answer))

    def cheapest(self) -> frozenset[E] | None:
        model = self._solver.compute()
        return (
            None if model is None else frozenset(self._elements[number - 1] for number in model if number > 0)
        )


def _maxsat(weights: dict[int, int]) -> _Solver:
    # Imported late: the solver is not needed for most of what the command line does, and takes a while to
    # load.
    from pysat.examples.rc2 import RC2  # noqa: PLC0415
    from pysat.formula import WCNF  # noqa: PLC0415

    formula: Any = WCNF()
    for variable, weight in weights.items():
        formula.append([-variable], weight=weight)
    solver: _Solver = RC2(formula)
    return solver
