"""Search guided by what was denied."""

from collections import Counter
from collections.abc import Sequence
from typing import Generic

from capmin.minimise.gbs import group_size, split
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.odds import Odds
from capmin.minimise.outcome import E, Outcome

SETTLE_AT = 0.62
START_LATE = 0.33
START_PATH = 0.5
TRIES = 6
STR = 1.0
TARGET = 0.5
ASSUME = 0.75
ASSUME0 = 1.0
CAP = 8.0
TWO = True
POS = 1.0
READY_MODE = 0
KNOWN_W = 0.03


def denial_guided(inquiry: Inquiry[E]) -> frozenset[E]:
    return _Guided(inquiry).search()


class _Lateness(Generic[E]):
    """Odds that an element which the program was denied, and went on without, is needed after all."""

    def __init__(self, odds: Odds[E], start: float) -> None:
        self._odds = odds
        self._start = start
        self._found = 0.0
        self._expected = 0.0

    def needed(self, element: E) -> float:
        p = self._odds.needed(element)
        o = p / (1 - p) * self._start * (self._found + STR) / (self._expected + STR)
        return min(0.99, max(0.01, o / (1 + o)))

    def learn(self, element: E, *, found: bool) -> None:
        self._expected += self.needed(element)
        self._found += found


class _Flat(Odds[E]):
    def needed(self, element: E) -> float:
        return super().needed(element) if self._prior is not None else 0.45


class _Guided(Generic[E]):
    def __init__(self, inquiry: Inquiry[E]) -> None:
        self._inquiry = inquiry
        self._base = inquiry.everything
        self._needed: frozenset[E] = frozenset()
        self._odds = _Flat(inquiry)
        self._late = _Lateness(self._odds, START_LATE)
        self._path = _Lateness(self._odds, START_LATE * START_PATH)
        self._passed: set[E] = set()
        self._on_path: set[E] = set()
        self._deferred: set[E] = set()
        self._from_end: Counter[int] = Counter()
        self._since: Counter[E] = Counter()
        self._seen: Counter[E] = Counter()
        self._cl_s = 0.5
        self._cl_n = 5.0
        self._started = False

    def search(self) -> frozenset[E]:
        while self._base != self._needed:
            self._assume()
            run = self._inquiry.outcome(self._needed)
            if run.passes:
                return self._needed
            self._step(run)
        return self._base

    def _step(self, run: Outcome[E]) -> None:
        suspects = [x for x in run.denied or () if x in self._base - self._needed]
        if run.ended_normally and suspects:
            self._passed |= set(suspects)
            self._settle_one()
            return
        if self._ready():
            self._settle_one()
            return
        for culprit in self._by_weight(run, suspects)[:TRIES]:
            after = self._inquiry.outcome(self._needed | {culprit})
            if self._progress(run, after):
                self._keep(run, culprit)
                return
        self._fallback(suspects)

    def _progress(self, run: Outcome[E], after: Outcome[E]) -> bool:
        return after.passes or after.ended_normally or bool(set(after.denied or ()) - set(run.denied or ()))

    def _keep(self, run: Outcome[E], culprit: E) -> None:
        self._needed |= {culprit}
        denied = run.denied or ()
        place = denied.index(culprit)
        self._from_end[len(denied) - 1 - place] += 1
        self._passed |= set(denied) - {culprit}
        self._on_path |= set(denied[place + 1 :])
        self._passed -= self._needed
        for x in self._passed:
            self._since[x] += 1
        for x in denied[place + 1 :]:
            self._seen[x] += 1

    def _by_weight(self, run: Outcome[E], suspects: Sequence[E]) -> list[E]:
        denied = run.denied or ()
        place = {x: len(denied) - 1 - i for i, x in enumerate(denied)}

        def weight(x: E) -> float:
            p = self._odds.needed(x)
            w = p / (1 - p) * (self._from_end[place[x]] + 1 / (1 + place[x])**POS)
            return w * (KNOWN_W if x in self._passed else 1)

        return sorted(suspects, key=weight, reverse=True)

    def _lateness(self, x: E) -> _Lateness[E]:
        return self._path if x in self._on_path else self._late

    def _pl(self, x: E) -> float:
        p = self._lateness(x).needed(x)
        if TWO and x not in self._on_path:
            r = min(0.9, self._cl_s / self._cl_n)
            f = min(CAP, (1 - r) ** -self._since[x])
            o = p / (1 - p) * f
            p = o / (1 + o)
        return p

    def _assume(self) -> None:
        if not self._started:
            self._started = True
            if self._odds._prior is not None:
                self._needed |= {x for x in self._base if self._odds.needed(x) >= ASSUME0}
        for x in self._pending():
            if self._pl(x) >= ASSUME and x not in self._deferred:
                self._needed |= {x}

    def _pending(self) -> list[E]:
        undecided = self._passed & (self._base - self._needed)
        pending = self._inquiry.in_order(undecided - self._deferred or undecided)
        return sorted(pending, key=self._pl)

    def _ready(self) -> bool:
        clear = 1.0
        if not self._passed & (self._base - self._needed) - self._deferred:
            return False
        for x in self._pending():
            clear *= 1 - self._pl(x)
        return clear < SETTLE_AT

    def _settle_one(self) -> None:
        pending = self._pending()
        ps = [self._pl(x) for x in pending]
        group = pending[: group_size(ps, TARGET)]
        run = self._inquiry.outcome(self._base - frozenset(group))
        if run.passes:
            dropped, needed = group, ()
        else:
            if not run.ended_normally and run.denied and not set(group) & self._deferred:
                sus = [x for x in run.denied if x in group]
                if sus:
                    self._deferred.add(self._by_weight(run, sus)[0])
                    return
            A = [x for x in group if x in (run.denied or ())] or group
            dropped, needed = split(self._inquiry, self._base, A, self._pl, fails=True)
        for x in dropped:
            self._lateness(x).learn(x, found=False)
            self._cl_s += self._seen[x]
            self._cl_n += max(self._since[x], self._seen[x])
        for x in needed:
            self._lateness(x).learn(x, found=True)
        self._base -= frozenset(dropped)
        self._needed |= frozenset(needed)

    def _fallback(self, suspects: Sequence[E]) -> None:
        undecided = self._inquiry.in_order(self._base - self._needed)
        sus = set(suspects)
        order = sorted(undecided, key=lambda x: (x in sus, self._odds.needed(x)))
        dropped, needed = split(self._inquiry, self._base, order, self._odds.needed, fails=True)
        self._base -= frozenset(dropped)
        self._needed |= frozenset(needed)
