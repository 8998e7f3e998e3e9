"""Group testing by several workers.

Each worker has a share of the candidates. The rounds and the merging are ours (algorithms.md: 8 workers
take 33 rounds for 370 system calls of which 50 are needed, where speculation takes 68); within a share the
groups are those of generalised binary splitting, see `gbs`.
"""

from collections.abc import Sequence
from typing import Generic

from capmin.minimise.beliefs import Beliefs, likely
from capmin.minimise.gbs import group_size
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E, Outcome


def parallel(inquiry: Inquiry[E]) -> frozenset[E]:
    """A passing set, found by all workers at once.

    Invariant: `base` has passed, except for what the last round merged. Each worker asks `base` without a
    group of its own share. Groups that pass one by one need not pass together (alternatives, traps), so
    after a merge the new `base` is asked as well, in the next round, beside the questions that already rely
    on it; when it fails, that round is void, and the next finds the one element for want of which it did.
    Rounds are synchronous and shares are cut in canonical order, so timing changes nothing.
    """
    return _Rounds(inquiry).run()


class _Share(Generic[E]):
    """One worker's candidates.

    While runs die, the whole share is withheld and what the run died of is granted, one element a round.
    When only failures at the end are left, or the oracle tells no denials, groups are withheld and halved.
    """

    def __init__(self, undecided: Sequence[E], beliefs: Beliefs[E], *, whole: bool) -> None:
        self.undecided = list(undecided)
        self.needed: list[E] = []
        self._beliefs = beliefs
        self._whole = whole
        self._group: list[E] = []
        self._denied: frozenset[E] = frozenset()
        self._guess: E | None = None

    def group(self) -> list[E]:
        """What to withhold next."""
        if not self._group:
            self.undecided.sort(key=self._beliefs.needed)
            chances = [self._beliefs.needed(element) for element in self.undecided]
            self._group = self.undecided[: None if self._whole else group_size(chances)]
        return self._group

    def learn(self, outcome: Outcome[E]) -> Sequence[E]:
        """Take the answer for `group()` in; returns what can be dropped."""
        group, self._group = self._group, []
        if outcome.passes:
            self._settle(group, found=False)
            return group
        guilty = [element for element in outcome.denied or () if element in group]
        if guilty and not outcome.ended_normally:
            self._died(outcome, guilty)
        else:
            self._fell_short(guilty or group)
        return ()

    def take_half(self) -> list[E]:
        """Give every other undecided element away, to a worker that has none."""
        given, self.undecided = self.undecided[1::2], self.undecided[::2]
        self._group = []
        return given

    def _died(self, outcome: Outcome[E], guilty: Sequence[E]) -> None:
        """Grant the likeliest culprit; take back the one before, when it did not help."""
        denied = frozenset(guilty)
        if self._guess is not None and denied <= self._denied:
            self.needed.remove(self._guess)
            self.undecided.append(self._guess)
            self._beliefs.gone_past.add(self._guess)
        elif self._guess is not None:
            self._beliefs.gone_past.update(self._denied & denied)
        culprit = self._beliefs.by_guilt(outcome, guilty)[0]
        self._beliefs.died_of(culprit, guilty)
        self._denied, self._guess = denied, culprit
        self.needed.append(culprit)
        self.undecided.remove(culprit)

    def _fell_short(self, suspects: Sequence[E]) -> None:
        self._whole, self._guess = False, None
        self._beliefs.gone_past.update(suspects)
        if len(suspects) == 1:
            self._settle(suspects, found=True)
            self.needed += suspects
            return
        suspects = sorted(suspects, key=self._beliefs.needed)
        size = group_size([self._beliefs.needed(element) for element in suspects])
        self._group = suspects[: min(size, max(1, len(suspects) // 2))]

    def _settle(self, elements: Sequence[E], *, found: bool) -> None:
        for element in elements:
            self._beliefs.settled(element, found=found)
            self.undecided.remove(element)


class _Rounds(Generic[E]):
    def __init__(self, inquiry: Inquiry[E]) -> None:
        self._inquiry = inquiry
        self._beliefs = Beliefs(inquiry)
        self._base = inquiry.everything
        self._merged: list[Sequence[E]] = []
        self._likely = likely(inquiry.candidates, inquiry.prior)
        order = sorted(
            [each for each in inquiry.candidates if each not in self._likely], key=self._beliefs.needed
        )
        self._shares = [self._share(order[start :: inquiry.workers]) for start in range(inquiry.workers)]

    def _share(self, elements: Sequence[E]) -> _Share[E]:
        return _Share(elements, self._beliefs, whole=self._inquiry.denials_known)

    def run(self) -> frozenset[E]:
        while any(share.undecided for share in self._shares) or self._merged:
            needed = self._needed()
            below = self._inquiry.recall(needed)
            if below is not None and below.passes:
                return needed
            self._round()
        return self._base

    def _round(self) -> None:
        self._help_out()
        merged = self._base.difference(*self._merged)
        canary = [merged] if self._merged else []
        active = [share for share in self._shares if share.undecided][: self._inquiry.workers - len(canary)]
        asked = canary + [merged.difference(share.group()) for share in active]
        outcomes = self._inquiry.outcomes(asked + self._from_below(self._inquiry.workers - len(asked)))
        if canary and not outcomes[0].passes:
            self._reconcile(merged, outcomes[0])
            return
        self._base = merged
        answers = zip(active, outcomes[len(canary) : len(asked)], strict=True)
        passed = [dropped for share, outcome in answers if (dropped := share.learn(outcome))]
        if len(passed) == 1:
            self._base = self._base.difference(passed[0])
        self._merged = passed if len(passed) > 1 else []

    def _from_below(self, spare: int) -> list[frozenset[E]]:
        """For workers without work: what is found so far without one of it, which may become a proof."""
        needed = self._needed()
        doubtful_first = sorted(self._inquiry.in_order(needed), key=self._beliefs.needed)
        without = (needed - {element} for element in doubtful_first)
        return [each for each in (needed, *without) if self._inquiry.recall(each) is None][:spare]

    def _needed(self) -> frozenset[E]:
        return self._likely.union(*(share.needed for share in self._shares))

    def _help_out(self) -> None:
        """Workers without work take half of the longest share, as long as there is one to halve."""
        for idle in [index for index, share in enumerate(self._shares) if not share.undecided]:
            longest = max(self._shares, key=lambda share: len(share.undecided))
            if len(longest.undecided) > 1:
                needed = self._shares[idle].needed
                self._shares[idle] = self._share(longest.take_half())
                self._shares[idle].needed += needed

    def _reconcile(self, merged: frozenset[E], failed: Outcome[E]) -> None:
        """Take away what goes together of groups that do not, as `failed` tells: it had but `merged`.

        Mostly two of their elements stand in for each other, or one is a trap without another. Then either of
        the two is all that was missed, and is among what was denied.
        """
        missed = [each for each in failed.denied or () if each in self._base - merged]
        suspects = self._beliefs.by_guilt(failed, missed)[: self._inquiry.workers]
        outcomes = self._inquiry.outcomes([merged | {suspect} for suspect in suspects])
        for suspect, outcome in zip(suspects, outcomes, strict=True):
            if outcome.passes:
                self._base = merged | {suspect}
                self._merged = []
                self._shares[0].needed.append(suspect)
                return
        self._merge_some()

    def _merge_some(self) -> None:
        """Merge as many groups as go together, in canonical order; the next one is searched again."""
        fewer = [self._base.difference(*self._merged[:count]) for count in range(1, len(self._merged))]
        outcomes = self._inquiry.outcomes(fewer)
        count = max((number for number, each in enumerate(outcomes, start=1) if each.passes), default=0)
        self._base = self._base.difference(*self._merged[:count])
        self._shares[0].undecided += self._merged[count]
        self._merged = self._merged[count + 1 :]
