"""What is asked and what is answered: the words shared by every algorithm of this package."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

E = TypeVar("E", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome(Generic[E]):
    """What one query of the oracle showed.

    Attributes:
        passes: whether the test passed under the configuration asked for.
        denied: the distinct elements that were attempted though absent, ordered by their *last* attempt, so
            that the one nearest the end of the run is last. None when the oracle cannot tell.
        ended_normally: a failing run that reached its usual end (a test that failed, not a program that
        died).
        went_through: whether it attempted whatever passing runs do: then it hardly died on the way.
        ordered: whether the order of `denied` is that of the program, and would be the same another time.
        fatal: what that part of the run was denied which failed first, in the same order; empty where nobody
            knows.
        tolerated: what parts of the run were denied that ended well.
        times: how often each of `denied` was attempted, where that was counted.
        ending: how a failing run ended and what it said, to be compared; None where it said nothing.
        evident: whether a failure shows by itself what it is of, so that it is no matter of chance.
        attempted: everything that was tried, granted or not, where that is known.
        trial: the caller's own reference for this run; proofs carry it.
    """

    passes: bool
    denied: tuple[E, ...] | None = None
    ended_normally: bool = False
    went_through: bool = False
    ordered: bool = True
    fatal: tuple[E, ...] = ()
    tolerated: frozenset[E] = frozenset()
    times: Mapping[E, int] = field(default_factory=dict)
    ending: Hashable = None
    evident: bool = False
    attempted: frozenset[E] | None = None
    trial: int | None = None


Ask = Callable[[frozenset[E]], Outcome[E]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof(Generic[E]):
    """Why an element stays.

    Attributes:
        element: what stays.
        failures: the trials that failed with this element as the only essential lack.
        configuration: what the last of them had.
        presumed: whether it is a proof only under presumptions, see `minimise`.
    """

    element: E
    failures: tuple[int | None, ...]
    configuration: frozenset[E]
    presumed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Minimum(Generic[E]):
    """A set that passes and from which nothing can be taken away, and what it cost to know that.

    Attributes:
        kept: the set.
        proofs: one for each element kept that is not undecided.
        undecided: elements kept without sufficient evidence: the test is too flaky for the repeats allowed.
        queries: calls of the oracle.
        rounds: batches of calls that ran side by side; equals `queries` without an executor.
    """

    kept: frozenset[E]
    proofs: Mapping[E, Proof[E]]
    undecided: frozenset[E]
    queries: int
    rounds: int
