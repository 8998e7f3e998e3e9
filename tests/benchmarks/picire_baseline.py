"""picire from PyPI, asked the same questions."""

from collections.abc import Callable, Sequence
from typing import Any

import picire as package

from capmin.minimise import Outcome


def picire(
    candidates: Sequence[str], ask: Callable[[frozenset[str]], Outcome[str]], *, subsets: bool
) -> tuple[frozenset[str], int]:
    """What picire keeps, and how often it tested; what it calls a failure is that the program works.

    It tests what it has reached again before each round and asserts that it still works (picire#36): a false
    failure there ends it, with what it has reached.
    """
    tests = 0
    reached = frozenset(candidates)

    def interesting(configuration: Sequence[str], _: object) -> Any:  # noqa: ANN401 - picire has no types
        nonlocal tests, reached
        tests += 1
        if not ask(frozenset(configuration)).passes:
            return package.Outcome.PASS
        reached = min(reached, frozenset(configuration), key=len)
        return package.Outcome.FAIL

    iterators = package.config_iterators
    reducer = package.DD(
        interesting,
        cache=package.ConfigCache(),
        subset_iterator=iterators.forward if subsets else iterators.skip,
    )
    try:
        return frozenset(reducer(list(candidates))), tests
    except AssertionError:
        return reached, tests
