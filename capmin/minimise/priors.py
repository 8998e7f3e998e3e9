"""Priors from counts: how probable it is that an element is needed where it was seen to be used."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from capmin.minimise.outcome import E

# How many observations the average over all elements is worth. By cross-validation over the applications of
# the Loupe corpus anything from 1 to 4 does equally well.
_SMOOTHING = 2.0


class Count(NamedTuple):
    """How often an element was needed, and how often it was observed; weighted counts need not be whole."""

    needed: float
    observed: float


def learn_prior(counts: Mapping[E, Count]) -> Callable[[E], float]:
    """A probability for each element, drawn towards the average of all where observations are few.

    An element never seen before gets the average.
    """
    needed = sum(count.needed for count in counts.values())
    observed = sum(count.observed for count in counts.values())
    average = (needed + 1) / (observed + 2)

    def prior(element: E) -> float:
        count = counts.get(element, Count(0.0, 0.0))
        return (count.needed + _SMOOTHING * average) / (count.observed + _SMOOTHING)

    return prior
