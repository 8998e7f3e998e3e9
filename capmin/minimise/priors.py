"""Priors from examples: how probable it is that an element is needed where it was seen to be used."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Generic

from capmin.minimise.outcome import E

# How many examples the average over all elements is worth.
_SMOOTHING = 2.0

# How much more what resembles the used set counts. Of 27 real programs a prior that weighs all examples alike
# is wrong about 0.48 times as many calls as there are questions at the least, with 4 to 8 about 0.27.
_LIKENESS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Example(Generic[E]):
    """What one program used, and what of that it could not do without."""

    used: frozenset[E]
    needed: frozenset[E]


def learn_prior(examples: Iterable[Example[E]], used: Collection[E]) -> Callable[[E], float]:
    """A probability for each element of ``used``, from examples that count the more, the more alike they are.

    Alike are sets that share much of what is in either (P. Jaccard, "Étude comparative de la distribution
    florale", 1901). Where few examples have an element, its probability is drawn towards the average of
    all; an element that none has gets the average.
    """
    every = tuple(examples)
    weights = _normed([_likeness(example.used, frozenset(used)) ** _LIKENESS for example in every])
    weighted = tuple(zip(weights, every, strict=True))
    needed = sum(weight * len(example.needed) for weight, example in weighted)
    observed = sum(weight * len(example.used) for weight, example in weighted)
    average = (needed + 1) / (observed + 2)

    @cache
    def prior(element: E) -> float:
        asked = sum(weight for weight, example in weighted if element in example.needed)
        seen = sum(weight for weight, example in weighted if element in example.used)
        return (asked + _SMOOTHING * average) / (seen + _SMOOTHING)

    return prior


def _likeness(one: frozenset[E], other: frozenset[E]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def _normed(weights: list[float]) -> list[float]:
    """The same weights with a mean of 1; where nothing is alike, all count alike."""
    total = sum(weights)
    return [weight * len(weights) / total if total else 1.0 for weight in weights]
