"""What a denial-guided search believes about each element, and how its own findings change that.

Beliefs order the questions and size the groups; none of them decides anything. All start from measured or
cautious values and are learnt within the search, so a program that behaves differently costs questions, not
correctness.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Generic

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.odds import LEAST, MOST
from capmin.minimise.outcome import E, Outcome

# Without priors: of the calls that 64 applications were seen to use, 57 % were needed (Loupe).
_USED_AND_NEEDED = 0.5

# A program that was denied something and went on rarely needs it after all: real tests fail at once or not
# at all.
_WENT_ON = 0.33

# What is tried after the fatal denial (writing the message, leaving) is rarely what the program is for.
_ON_ERROR_PATH = 0.15

# How sure the two ratios above are of themselves, in elements.
_STRENGTH = 1.0

# Granting an element that a run had already gone past hardly ever helps a run that died.
_GONE_PAST = 0.03

# Where it is known what failed first (28 real programs): the fatal denial is one of its last two in three of
# four cases. What follows it there is mostly what it called in vain to get away: cleaning up, being killed.
_PLACES, _ELSEWHERE = (1.0, 0.8, 0.22, 0.16, 0.1), 0.1

# So it is, if what follows was never called when all went well.
_FOLLOWED_BY_NEW = 10.0

# Others went on without it, or the program itself did, or it did not help.
_TOLERATED, _KNOWN_BEFORE, _TRIED = 0.6, 0.4, 0.2

# What is needed as probably as this is granted from the start. If it is needed, that saves the question that
# finds it; if not, what was proven in runs that attempted it is asked again.
_LIKELY = 0.7


def likely(elements: Iterable[E], prior: Callable[[E], float] | None) -> frozenset[E]:
    """What is believed to be needed from the start; nothing where nothing is known."""
    return frozenset(each for each in elements if prior is not None and prior(each) >= _LIKELY)


class Ratio:
    """An odds ratio, corrected by how many elements it was right about."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._found = 0.0
        self._expected = 0.0

    @property
    def value(self) -> float:
        return self._start * (self._found + _STRENGTH) / (self._expected + _STRENGTH)

    def learn(self, *, expected: float, found: bool) -> None:
        self._expected += expected
        self._found += found


class Beliefs(Generic[E]):
    """Probabilities that an element is needed, given what was seen of it.

    Attributes:
        gone_past: elements that some run was denied and went on without.
        tried: how often an element was granted to what had died, and did not help.
    """

    def __init__(self, inquiry: Inquiry[E]) -> None:
        self._prior = inquiry.prior
        self._everything = inquiry.everything
        self._went_on = Ratio(_WENT_ON)
        self._on_error_path = Ratio(_ON_ERROR_PATH)
        self._error_path: set[E] = set()
        self._denials_after: Counter[int] = Counter()
        self.gone_past: set[E] = set()
        self.tried: Counter[E] = Counter()

    def needed(self, element: E) -> float:
        odds = self._prior_odds(element)
        if element in self._error_path:
            odds *= self._on_error_path.value
        elif element in self.gone_past:
            odds *= self._went_on.value
        return odds / (1 + odds)

    def settled(self, element: E, *, found: bool) -> None:
        """Learn that an element was found to be needed, or not to be."""
        if element in self._error_path:
            self._on_error_path.learn(expected=self.needed(element), found=found)
        elif element in self.gone_past:
            self._went_on.learn(expected=self.needed(element), found=found)

    def died_of(self, culprit: E, denied: Sequence[E]) -> None:
        """Learn that a run with these denials died for want of `culprit`."""
        place = denied.index(culprit)
        self._denials_after[len(denied) - 1 - place] += 1
        self._error_path.update(denied[place + 1 :])
        self.gone_past.update(each for each in denied if each != culprit)

    def by_guilt(self, run: Outcome[E], denied: Sequence[E]) -> list[E]:
        """The denied elements, the one that the run most likely died of first.

        Error paths of one program resemble each other, so the number of denials that follow the fatal one
        is learnt; until then, the nearer to the end the likelier.
        """
        if run.fatal:
            return sorted(denied, key=lambda element: self.guilt(element, run), reverse=True)

        def guilt(element: E) -> float:
            after = len(denied) - 1 - denied.index(element)
            needed = self.needed(element)
            place = self._denials_after[after] + 1 / (1 + after)
            return needed / (1 - needed) * place * (_GONE_PAST if element in self.gone_past else 1)

        return sorted(denied, key=guilt, reverse=True)

    def guilt(self, element: E, run: Outcome[E]) -> float:
        """The odds, up to a factor, that a run of which it is known what failed first died of this denial."""
        guilt = self._prior_odds(element) * self._place(element, run.fatal)
        guilt *= _TOLERATED if element in run.tolerated else 1.0
        guilt *= _KNOWN_BEFORE if element in self.gone_past else 1.0
        return guilt * _TRIED ** self.tried[element]

    def is_shown_fatal(self, element: E, run: Outcome[E]) -> bool:
        """Whether it is one of the last two denials of what failed first, and no other went on without it."""
        return element not in run.tolerated and self._place(element, run.fatal) >= _PLACES[1]

    def _place(self, element: E, fatal: Sequence[E]) -> float:
        """How much speaks for a denial where it stands in what failed first was denied."""
        if element not in fatal:
            return _ELSEWHERE
        rest = fatal[fatal.index(element) + 1 :]
        after = sum(each in self._everything for each in rest)
        place = self._denials_after[after] + _PLACES[min(after, len(_PLACES) - 1)]
        return place * (_FOLLOWED_BY_NEW if rest and rest[0] not in self._everything else 1.0)

    def _prior_odds(self, element: E) -> float:
        chance = _USED_AND_NEEDED if self._prior is None else self._prior(element)
        chance = min(MOST, max(LEAST, chance))
        return chance / (1 - chance)
