"""Hypothesis, kept to its trade: drawing sets, and shrinking one that disagrees.

It is imported here only, and late: that takes 0.3 s.
"""

import math
import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

E = TypeVar("E", bound=Hashable)

Strategy: TypeAlias = "SearchStrategy[frozenset[E]]"
Predicate = Callable[[frozenset[E]], bool]

_EXAMPLES = 2
"""The simplest, which is empty, and one at random. Of more, most would be the one before, slightly changed:
five of six, hypothesis 6.170 (conjecture/engine.py, generate_mutations_from). Launches are
too dear for that."""

_FEW = 3


def some_of(elements: Sequence[E]) -> "Strategy[E]":
    """Any subset, about a quarter of the elements on average.

    Half of the groups, and half of each: a group goes at once when a set shrinks, so that of 330 elements one
    is singled out in about 120 questions, and a trap, which needs one element and not another, is hit by
    every fifth draw. Of 330 elements `hypothesis.strategies.sets` draws five. Only truth values are drawn:
    for integers Hypothesis reads the program's source for interesting ones, and keeps them in a directory.
    """
    from hypothesis import strategies as st  # noqa: PLC0415 - see above

    coin = st.booleans()

    @st.composite
    def part(draw: "DrawFn", group: Sequence[E]) -> list[E]:
        return [element for element in group if draw(coin)] if draw(coin) else []

    size = max(1, math.isqrt(len(elements)))
    groups = [elements[start : start + size] for start in range(0, len(elements), size)]
    return st.tuples(*(part(group) for group in groups)).map(lambda parts: frozenset().union(*parts))


def few_of(elements: Sequence[E]) -> "Strategy[E]":
    """One to three elements, or any: if an answer can do without a part of it, without a small one."""
    from hypothesis import strategies as st  # noqa: PLC0415 - see above

    place = st.lists(st.booleans(), min_size=(bits := len(elements).bit_length()), max_size=bits)

    coin, some = st.booleans(), some_of(elements)

    @st.composite
    def part(draw: "DrawFn") -> frozenset[E]:
        if draw(coin):
            return draw(some)
        found = set[E]()
        for number in range(_FEW):
            if number and not draw(coin):
                break
            bit_values = (bit << place for place, bit in enumerate(draw(place)))
            found.add(elements[sum(bit_values) % len(elements)])
        return frozenset(found)

    return part()


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn(Generic[E]):
    """What came of one draw.

    Attributes:
        smallest: what the set shrank to, if it disagrees.
        stopped: what put an end to it: then there may be a smaller one.
    """

    smallest: frozenset[E] | None = None
    stopped: Exception | None = None


def draw_one(strategy: "Strategy[E]", disagrees: Predicate[E], seed: str) -> Drawn[E]:
    """Draw a set, and where it disagrees, shrink it as long as it does.

    Args:
        strategy: what to draw from.
        disagrees: is asked once about each set. What it raises ends the draw, but nothing that was found.
        seed: the same draws for the same answers.
    """
    from hypothesis import HealthCheck, Phase, find, settings  # noqa: PLC0415 - see above
    from hypothesis.errors import NoSuchExample  # noqa: PLC0415

    memory = _Memory(disagrees)
    # No database and no deadline: what is found is in capmin's own files, and launches take their time.
    chosen = settings(
        database=None,
        deadline=None,
        max_examples=_EXAMPLES,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        # Not for secrets: a draw has to be repeatable.
        found = find(strategy, memory, settings=chosen, random=random.Random(seed))  # noqa: S311
    except NoSuchExample:
        return Drawn(stopped=memory.stopped)
    return Drawn(smallest=found, stopped=memory.stopped)


class _Memory(Generic[E]):
    """A predicate that never raises and never changes its mind: Hypothesis asks about its example again."""

    def __init__(self, predicate: Predicate[E]) -> None:
        self.stopped: Exception | None = None
        self._predicate = predicate
        self._known: dict[frozenset[E], bool] = {}

    def __call__(self, some: frozenset[E]) -> bool:
        if some not in self._known:
            self._known[some] = self._ask(some)
        return self._known[some]

    def _ask(self, some: frozenset[E]) -> bool:
        if self.stopped is not None:
            return False
        try:
            return self._predicate(some)
        except Exception as error:  # noqa: BLE001 - Hypothesis would take it for a failure, and shrink that
            self.stopped = error
            return False
