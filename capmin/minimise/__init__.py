"""Minimise: the smallest set of elements with which a test still passes, found by asking and proven.

Knows nothing of containers: elements are any hashable values, the test is any callable, and nothing else of
capmin is imported.
"""

from capmin.minimise.algorithms import ALGORITHMS
from capmin.minimise.alternatives import Alternatives, alternatives
from capmin.minimise.beliefs import likely
from capmin.minimise.outcome import Ask, Minimum, Outcome, Proof
from capmin.minimise.priors import Example, learn_prior
from capmin.minimise.search import MAX_REPEATS, minimise

__all__ = [
    "ALGORITHMS",
    "MAX_REPEATS",
    "Alternatives",
    "Ask",
    "Example",
    "Minimum",
    "Outcome",
    "Proof",
    "alternatives",
    "learn_prior",
    "likely",
    "minimise",
]
