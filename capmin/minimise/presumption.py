"""Failures that prove an element only under presumptions: cheaper than proofs, and not always right.

A run from below seldom misses just one needed element. It also misses those whose lack shows only at the
end; they spoil its proof of what it died of (see `footprint`), and a second question is needed to be
certain. With a fifth of the needed elements of that kind, second questions are a third of all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from capmin.minimise.footprint import Record
from capmin.minimise.outcome import E, Outcome

# Denials from the fatal one to the end: error paths (a message, leaving) were seen to try up to four things.
ENDS_WITHIN = 5

# Programs try their alternatives one right after the other; rarely there are more than three.
_FALLBACKS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Death(Generic[E]):
    """A run that died for want of one element: granted that one too, it got further.

    Attributes:
        culprit: the element.
        record: the run that died.
        unaffected: what it was denied before and after alike, and went past once the culprit was there.
    """

    culprit: E
    record: Record[E]
    unaffected: frozenset[E]

    def explains(
        self, without: frozenset[E], idle: frozenset[E], spoils: Callable[["Death[E]", E], bool]
    ) -> bool:
        """Whether a run with `without`, which lacks the culprit, presumably dies of the same.

        What it has in addition either was not attempted, or was denied to this run and did not stop it.
        That the program dies of the culprit with the latter granted too is presumed. It is false where the
        culprit is what the program falls back on for want of it, of which there are signs: see `spoils`.
        """
        missed = without.intersection(self.record.outcome.denied or ())
        return (
            self.record.granted <= without | idle
            and missed <= self.unaffected
            and not any(spoils(self, each) for each in missed)
        )

    def is_near(self, element: E) -> bool:
        """Whether it was denied just before the culprit, or afterwards."""
        denied = self.record.outcome.denied or ()
        return element in denied[max(0, denied.index(self.culprit) - _FALLBACKS) :]

    def is_followed(self, element: E) -> bool:
        """Whether it was denied before the culprit."""
        denied = self.record.outcome.denied or ()
        return element in denied[: denied.index(self.culprit)]


class Presumptions(Generic[E]):
    """What a sequence of runs presumably proves.

    Args:
        universe: all elements.
        records: the runs.

    Attributes:
        fatal: what a run died for want of, to go by the runs.
    """

    def __init__(self, universe: frozenset[E], records: Sequence[Record[E]]) -> None:
        self._universe = universe
        outcomes = {record.granted: record.outcome for record in records}
        self._failed = [record for record in records if not record.outcome.passes and record.outcome.denied]
        self._deaths = [
            death
            for record in self._failed
            if not record.outcome.ended_normally
            for death in _deaths(record, outcomes)
        ]
        self.fatal = frozenset(death.culprit for death in self._deaths)
        self._passed = [record for record in records if record.outcome.passes]

    def failures(self, kept: frozenset[E], element: E) -> Iterator[Record[E]]:
        """Runs that presumably would have failed alike under `kept` without `element`.

        Those that died of it; and those that missed only this one of `kept`, provided that what they had
        beyond it had no part in that: it is idle, or they reached their end (traps kill).
        """
        idle = self._idle(kept)
        for death in self._deaths:
            if death.culprit == element and death.explains(kept - {element}, idle, self._spoils):
                yield death.record
        for record in self._failed:
            if kept.intersection(record.outcome.denied or ()) == {element} and (
                record.outcome.ended_normally or record.granted <= kept | idle
            ):
                yield record

    def _spoils(self, death: Death[E], element: E) -> bool:
        """Whether the culprit may be a fallback for this element: something died of it, too, and it is near.

        Not where another death shows that there is something between them. That one was denied the element
        as often, so it was not attempted again after what that run died of, which this one was granted.
        """
        if element not in self.fatal or not death.is_near(element):
            return False
        times = death.record.outcome.times.get(element)
        return times is None or not any(
            other.culprit in death.record.granted
            and other.is_followed(element)
            and death.is_followed(element)
            and other.record.outcome.times.get(element) == times
            for other in self._deaths
        )

    def _idle(self, kept: frozenset[E]) -> frozenset[E]:
        """What a passing run under exactly `kept` did not even attempt; presumably no failing one does."""
        for record in self._passed:
            if record.granted == kept and record.outcome.denied is not None:
                return self._universe - kept - frozenset(record.outcome.denied)
        return frozenset()


def gets_further(before: Outcome[E], after: Outcome[E]) -> bool:
    """Whether what `before` died of did not stop `after`: it ends, or is denied what is new.

    One new denial far from the end is the next step of the same detour: a shell that is granted geteuid asks
    for getegid, and dies of dup2 as before. So it is wherever a run says the same as before (NSS, granted
    socket, tries to connect, and finds no user either), unless it leaves off something else in return: cp,
    granted setxattr, does not try chmod any more, but removexattr.
    """
    if after.passes or (after.ended_normally and not before.ended_normally):
        return True
    denied = after.denied or ()
    new = frozenset(denied).difference(before.denied or ())
    gone = frozenset(before.denied or ()).difference(denied)
    return len(new) > 1 or (
        not new.isdisjoint(denied[-ENDS_WITHIN:]) and (not _says_the_same(before, after) or len(gone) > 1)
    )


def went_on(before: Outcome[E], after: Outcome[E]) -> bool:
    """Whether `after` seems to have got further; weaker than `gets_further`, for a search to be guided by.

    Something else that it says shows it: in real programs what was granted then is needed in 87 of 100 cases.
    So does more of the same: git, awaited by its shell, is denied what the shell was denied before it.
    A program that comes to something new may be denied there what it was denied before: then the order of
    the last attempts changes (nginx, denied uname, ends; granted it, it asks for prlimit64 a second time
    and ends). Where processes race it does so for nothing.
    """
    if gets_further(before, after):
        return True
    if before.ending is not None and after.ending is not None:
        return before.ending != after.ending
    if any(after.times.get(each, 0) > times for each, times in before.times.items()):
        return True
    denied = frozenset(after.denied or ())
    same = tuple(each for each in before.denied or () if each in denied)
    return before.ordered and after.ordered and same != (after.denied or ())


def _says_the_same(before: Outcome[E], after: Outcome[E]) -> bool:
    return before.ending is not None and before.ending == after.ending


def _deaths(record: Record[E], outcomes: dict[frozenset[E], Outcome[E]]) -> Iterator[Death[E]]:
    denied = record.outcome.denied or ()
    for culprit in denied:
        after = outcomes.get(record.granted | {culprit})
        if after is not None and gets_further(record.outcome, after):
            unaffected = (
                frozenset(denied) & frozenset(after.denied or ()) if not after.passes else frozenset(denied)
            )
            yield Death(culprit=culprit, record=record, unaffected=unaffected)
