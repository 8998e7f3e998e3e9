"""Search guided by what was denied.

Ours; algorithms.md has the measurements. Related: delta debugging with failure-inducing feedback, and the
"implicit hitting set" view in which each failing run is a set of suspects.
"""

from collections.abc import Sequence
from typing import Generic

from capmin.minimise.beliefs import Beliefs, likely
from capmin.minimise.gbs import gbs, group_size, half, split
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E, Outcome
from capmin.minimise.presumption import ENDS_WITHIN, went_on

# Suspects granted one by one before a run that died is searched like any other failure.
_SUSPECTS = 4


def denial_guided(inquiry: Inquiry[E]) -> frozenset[E]:
    """A passing set, found from below: grant what the program died of, until it runs through.

    Two sets bound the answer. `base` passes; `needed`, its subset, holds what is believed to be needed: at
    first what the prior says is likely. `needed` alone is run; where the program dies, the culprit is among
    what it was denied, and the denial that lets the program get further when granted is taken for it. What a
    run was denied and went on without is a suspect only of a failure that shows at the end: those are settled
    from above, by taking groups of them away from `base`.

    Why from below: each run names what it died of, and passes over what is not needed without a question. One
    that had nothing but needed elements, and missed nothing else that is needed, is its culprit's proof as
    well (see `footprint`). A run from above never is.

    The last denied element is never taken for the culprit without a test. When denials do not explain a
    failure, binary splitting does. Every step adds to `needed` or takes from `base`, so the search ends,
    whatever the test. The answer passes; `certify` makes it 1-minimal. Oracles that report no denials get
    `gbs`.
    """
    return _Search(inquiry).run()


class _Search(Generic[E]):
    def __init__(self, inquiry: Inquiry[E]) -> None:
        self._inquiry = inquiry
        self._beliefs = Beliefs(inquiry)
        self._base = inquiry.everything
        # Where a run from below is proof enough of what it dies of, those that die early are wanted, too.
        self._needed = frozenset() if inquiry.presume else likely(inquiry.candidates, inquiry.prior)

    def run(self) -> frozenset[E]:
        while self._needed != self._base:
            run = self._inquiry.outcome(self._needed)
            if run.passes:
                return self._needed
            if run.denied is None:
                return gbs(self._inquiry)
            self._explain(run, [each for each in run.denied if each in self._base])
        return self._base

    def _explain(self, run: Outcome[E], suspects: Sequence[E]) -> None:
        if not suspects:
            self._split(suspects)
        elif run.ended_normally or run.went_through or not self._grant_culprit(run, suspects):
            self._beliefs.gone_past.update(suspects)
            if not run.ended_normally:
                suspects = self._grant_tail(run, suspects)
            while open_ := self._open(suspects):
                self._settle(open_, run)

    def _grant_tail(self, run: Outcome[E], suspects: Sequence[E]) -> Sequence[E]:
        """Grant all that was denied last, where none of that helps alone: what has to be settled then.

        Programs of several processes go on after the first has failed, to the next that fails: gzip needs
        unlinkat, fchmod and utimensat at its end. With these granted it passes, and nothing else is left.
        """
        tail = self._open(self._in_what_failed(run, suspects))[-ENDS_WITHIN:]
        after = self._inquiry.outcome(self._needed.union(tail))
        if after.passes:
            self._base = self._needed.union(tail)
            self._beliefs.gone_past.difference_update(tail)
        return tail if went_on(run, after) else suspects

    def _open(self, suspects: Sequence[E]) -> list[E]:
        return [each for each in suspects if each in self._base - self._needed]

    def _in_what_failed(self, run: Outcome[E], suspects: Sequence[E]) -> Sequence[E]:
        """The suspects that were denied to what failed first; all where nobody knows."""
        return [each for each in run.fatal if each in suspects] or suspects

    def _grant_culprit(self, run: Outcome[E], suspects: Sequence[E]) -> bool:
        """Grant the one suspect with which the program gets further; False when no likely one is it."""
        likeliest = suspects if run.fatal else suspects[-ENDS_WITHIN:]
        for culprit in self._beliefs.by_guilt(run, likeliest)[:_SUSPECTS]:
            after = self._inquiry.outcome(self._needed | {culprit})
            if went_on(run, after):
                among = self._in_what_failed(run, suspects)
                self._beliefs.died_of(culprit, among if culprit in among else suspects)
                self._needed |= {culprit}
                return True
            self._beliefs.tried[culprit] += 1
        return False

    def _settle(self, suspects: Sequence[E], failed: Outcome[E]) -> None:
        """Take the group least likely to be needed away from `base`, or find what of it is needed."""
        by_belief = sorted(self._inquiry.in_order(suspects), key=self._beliefs.needed)
        order = self._least_guilty_first(by_belief, failed)
        group = order[: group_size([self._beliefs.needed(element) for element in order])]
        run = self._inquiry.outcome(self._base - frozenset(group))
        if run.passes:
            self._decide(group, ())
            return
        guilty = [each for each in run.denied or () if each in group]
        # What was not attempted did no harm; what was denied is searched, unless nothing of ours was.
        group = [each for each in group if each in guilty] or group
        self._decide(*self._narrow(group, run))

    def _narrow(self, suspects: Sequence[E], run: Outcome[E]) -> tuple[Sequence[E], Sequence[E]]:
        """Which of these `base` cannot do without, as `run` has shown: what can go, and the one.

        Halves like `split`, but of a half that fails only what was denied is searched on. The others were
        not attempted, so the run would have been the same with them granted.
        """
        dropped: list[E] = []
        suspects = self._least_guilty_first(suspects, run)
        while len(suspects) > 1:
            size = self._size(suspects, run)
            first, second = suspects[:size], suspects[size:]
            after = self._inquiry.outcome(self._base - frozenset(dropped) - frozenset(first))
            if after.passes:
                dropped += first
                suspects = second
            else:
                run = after
                guilty = [each for each in first if each in (run.denied or ())]
                suspects = self._least_guilty_first(guilty or first, run)
        return dropped, suspects

    def _least_guilty_first(self, suspects: Sequence[E], run: Outcome[E]) -> Sequence[E]:
        return self._beliefs.by_guilt(run, suspects)[::-1] if run.fatal else suspects

    def _size(self, suspects: Sequence[E], run: Outcome[E]) -> int:
        """How many to take away: half the guilt, where it is known what failed first."""
        if run.fatal:
            guilt = [self._beliefs.guilt(element, run) for element in suspects]
            return half([each / sum(guilt) for each in guilt])
        least = max(1, len(suspects) // 3)
        size = half([self._beliefs.needed(element) for element in suspects])
        return min(max(size, least), len(suspects) - least)

    def _split(self, suspects: Sequence[E]) -> None:
        """Find one more needed element without trust in denials; the suspects are given up last."""
        undecided = self._inquiry.in_order(self._base - self._needed)
        order = sorted(undecided, key=lambda each: (each in suspects, self._beliefs.needed(each)))
        self._decide(*split(self._inquiry, self._base, order, self._beliefs.needed, fails=True))

    def _decide(self, dropped: Sequence[E], needed: Sequence[E]) -> None:
        for element in dropped:
            self._beliefs.settled(element, found=False)
        for element in needed:
            self._beliefs.settled(element, found=True)
        self._base -= frozenset(dropped)
        self._needed |= frozenset(needed)
