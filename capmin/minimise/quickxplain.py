"""QuickXplain.

U. Junker, "QuickXplain: preferred explanations and relaxations for over-constrained problems", AAAI (2004).
"""

from collections.abc import Sequence

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.odds import Odds
from capmin.minimise.outcome import E


def quickxplain(inquiry: Inquiry[E]) -> frozenset[E]:
    """Divide and conquer: find what is needed of one half given the other, then of the other given that.

    Invariant of each call: `background` and `elements` together pass. For a monotone test the answer is
    1-minimal, and the preferred one: elements early in the order are given up last. About 2k log2(n/k) + 2k
    questions.
    """
    order = Odds(inquiry).least_needed_first(list(inquiry.candidates))
    return _needed(inquiry, frozenset(), order[::-1], known_to_fail=False)


def _needed(
    inquiry: Inquiry[E], background: frozenset[E], elements: Sequence[E], *, known_to_fail: bool
) -> frozenset[E]:
    if not elements or (not known_to_fail and inquiry.passes(background)):
        return frozenset()
    if len(elements) == 1:
        return frozenset(elements)
    middle = len(elements) // 2
    first, second = elements[:middle], elements[middle:]
    of_second = _needed(inquiry, background | frozenset(first), second, known_to_fail=False)
    of_first = _needed(inquiry, background | of_second, first, known_to_fail=not of_second)
    return of_first | of_second
