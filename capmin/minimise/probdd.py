"""Probabilistic delta debugging.

G. Wang, R. Shen, J. Chen, Y. Xiong and L. Zhang, "Probabilistic delta debugging", ESEC/FSE (2021).
"""

from collections.abc import Mapping, Sequence
from math import prod

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E

_START = 0.1
_CERTAIN = 1 - 1e-9


def probdd(inquiry: Inquiry[E]) -> frozenset[E]:
    """Take away the group with the largest expected gain, and learn from failure.

    Invariant: what is left passes. After a failure each element of the group becomes more probable, by
    Bayes' rule for independent elements; an element that failed alone is certain. Ends when everything left
    is certain: each element left has failed alone, though perhaps from a larger set than the final one, so
    it is 1-minimal for monotone tests only. Priors replace the paper's uniform start of 0.1.
    """
    prior = inquiry.prior
    needed = {each: _START if prior is None else prior(each) for each in inquiry.candidates}
    left = list(inquiry.candidates)
    while group := _best_group(sorted(left, key=needed.__getitem__), needed):
        if inquiry.passes(frozenset(left) - frozenset(group)):
            left = [element for element in left if element not in group]
        else:
            _learn(needed, group)
    return frozenset(left)


def _best_group(order: Sequence[E], needed: Mapping[E, float]) -> Sequence[E]:
    """The prefix with the largest (length x chance that none of it is needed)."""
    best, size, clear = 0.0, 0, 1.0
    for length, element in enumerate(order, start=1):
        if needed[element] >= _CERTAIN:
            break
        clear *= 1 - needed[element]
        if length * clear > best:
            best, size = length * clear, length
    return order[:size]


def _learn(needed: dict[E, float], group: Sequence[E]) -> None:
    if len(group) == 1:
        needed[group[0]] = 1.0
        return
    some = 1 - prod(1 - needed[element] for element in group)
    for element in group:
        needed[element] = min(_CERTAIN - 1e-12, needed[element] / some)
