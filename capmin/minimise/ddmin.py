"""Delta debugging.

A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE Transactions on
Software Engineering 28 (2002). There a test "fails" when it still shows the fault; here it passes when the
program still works.
"""

from collections.abc import Sequence
from itertools import pairwise

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E


def ddmin(inquiry: Inquiry[E]) -> frozenset[E]:
    """The ddmin algorithm as published: subsets first, then complements, then finer.

    Invariant: the configuration passes. 1-minimal at the end without any assumption about the test, since
    the last round takes each single element away from the final configuration; quadratic in the worst case,
    and dear whenever many elements are needed (370 system calls of which 50 are needed: 1274 questions).
    """
    return _ddmin(inquiry, subsets_too=True)


def complement_only(inquiry: Inquiry[E]) -> frozenset[E]:
    """`ddmin` without the subsets; see `complement_ddmin`."""
    return _ddmin(inquiry, subsets_too=False)


def _ddmin(inquiry: Inquiry[E], *, subsets_too: bool) -> frozenset[E]:
    # The paper never tries the empty configuration: there the empty input is known not to show the fault.
    if inquiry.passes(frozenset()):
        return frozenset()
    configuration: Sequence[E] = inquiry.candidates
    granularity = 2
    while len(configuration) > 1:
        parts = _parts(configuration, granularity)
        if subsets_too and (subset := _first_passing(inquiry, parts)) is not None:
            configuration, granularity = subset, 2
        elif (complement := _first_passing(inquiry, _complements(parts))) is not None:
            configuration, granularity = complement, max(granularity - 1, 2)
        elif granularity >= len(configuration):
            break
        else:
            granularity = 2 * granularity
        granularity = min(granularity, len(configuration))
    return frozenset(configuration)


def _first_passing(inquiry: Inquiry[E], configurations: Sequence[Sequence[E]]) -> Sequence[E] | None:
    return next((each for each in configurations if inquiry.passes(frozenset(each))), None)


def _parts(configuration: Sequence[E], granularity: int) -> list[Sequence[E]]:
    """`granularity` consecutive parts whose lengths differ by one at most."""
    bounds = [len(configuration) * index // granularity for index in range(granularity + 1)]
    return [configuration[start:end] for start, end in pairwise(bounds)]


def _complements(parts: Sequence[Sequence[E]]) -> list[Sequence[E]]:
    return [
        [element for other, part in enumerate(parts) if other != left_out for element in part]
        for left_out in range(len(parts))
    ]
