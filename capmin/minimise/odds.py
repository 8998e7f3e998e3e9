"""How probable it is that an element is needed, as a search learns it.

Priors change what a search costs, never what it answers: they order the questions and size the groups.
"""

from typing import Generic

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E

# No prior is trusted further than this: a certainty could never be unlearnt.
LEAST, MOST = 0.01, 0.99


class Odds(Generic[E]):
    """Priors where there are any, else one density for all, estimated from what was found so far.

    The estimate is (1 + found) / (4 + found + cleared): it starts at 1/4 and weighs like four observations
    (algorithms.md: with it, 41 capabilities of which one is needed take 10 questions, against 7 with the
    density known).
    """

    def __init__(self, inquiry: Inquiry[E]) -> None:
        self._prior = inquiry.prior
        self._found = 0
        self._cleared = 0

    def needed(self, element: E) -> float:
        if self._prior is not None:
            return min(MOST, max(LEAST, self._prior(element)))
        return (1 + self._found) / (4 + self._found + self._cleared)

    def least_needed_first(self, elements: list[E]) -> list[E]:
        """By what is known beforehand; a stable sort, so ties stay in canonical order."""
        return sorted(elements, key=self._prior) if self._prior is not None else elements

    def learn(self, *, found: int = 0, cleared: int = 0) -> None:
        self._found += found
        self._cleared += cleared
