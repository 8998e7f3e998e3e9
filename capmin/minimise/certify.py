"""The certificate: a proof for each element kept, on exactly the set that is kept.

Repeats under false failures follow A. Wald, "Sequential tests of statistical hypotheses", Annals of
Mathematical Statistics 16 (1945).

What counts as a proof. A failing run under exactly `kept - {x}` does. So does a failing run on record that
would have been the same run under `kept - {x}` (see `footprint`). A failing run under a larger set does
not, although it would be enough for a monotone test: with a trap (granting X without Y breaks) the search
sees "without Y it fails" while X is still there, drops X later, and would keep Y for nothing. Real programs
have such traps, so the price of asking again is paid; ordering the search so that most failures need no
second asking is the search's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log
from typing import Generic

from capmin.minimise.beliefs import Beliefs
from capmin.minimise.footprint import Record
from capmin.minimise.gbs import group_size
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E, Minimum, Outcome, Proof
from capmin.minimise.presumption import Presumptions

# Launches that must have failed where one may have failed by chance.
_LOOKS = 2

# What is known to be needed less often is more likely to have failed by chance.
_NO_WONDER, _NO_WONDER_AT_ITS_END = 0.45, 0.3

# By how much the odds of an element rise where a run seems to have died of it: to be denied something else
# afterwards may be a detour only (granted socket, NSS tries to connect).
_DIED_OF = 30.0

# Denials from the fatal one to the end: error paths (a message, leaving) were seen to try up to three things.
_ENDS_WITHIN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Standard:
    """What a proof has to reach: Wald's test of "needed" against "not needed, and the failure was false".

    Attributes:
        flake_rate: the rate of false failures, e.
        enough: the log of the likelihood ratio at which an element is proven.
        max_repeats: failures after which an element that is still not proven is left undecided.
        presume: whether failures count that prove only under presumptions, see `minimise`.
        steady: whether it is certain that there are no false failures where the rate is 0. If not, a failure
            that went past the element, or that nobody would expect, has to be seen twice.
    """

    flake_rate: float
    enough: float
    max_repeats: int
    presume: bool = False
    steady: bool = True

    @classmethod
    def of(
        cls,
        *,
        flake_rate: float,
        confidence: float,
        candidates: int,
        max_repeats: int,
        presume: bool = False,
        steady: bool = True,
    ) -> "Standard":
        """Spread the risk of a wrong answer over all candidates: `confidence` is that of the whole search."""
        enough = log(max(1, candidates) / (1 - confidence)) if confidence < 1 else inf
        return cls(
            flake_rate=flake_rate,
            enough=enough,
            max_repeats=max_repeats,
            presume=presume,
            steady=steady,
        )

    def weight(self) -> float:
        """What one failure adds; false passes are taken to be no more frequent than false failures."""
        if self.flake_rate <= 0:
            return inf
        return max(0.0, log((1 - self.flake_rate) / self.flake_rate))


class _Evidence(Generic[E]):
    """What the records prove about each element of `kept`."""

    def __init__(self, inquiry: Inquiry[E], standard: Standard, kept: frozenset[E]) -> None:
        self._inquiry = inquiry
        self._standard = standard
        self._kept = kept
        self._presumptions = Presumptions(inquiry.everything, inquiry.history())
        self._beliefs = Beliefs(inquiry)
        self._only_lacks = frozenset(
            element
            for record in inquiry.history()
            if not record.outcome.passes and len(lacking := kept - record.granted) == 1
            for element in lacking
        )

    def removable(self, element: E) -> bool:
        return any(record.outcome.passes for record in self._inquiry.records(self._kept - {element}))

    def proof(self, element: E) -> Proof[E] | None:
        exact = self._failures(element)
        if proof := self._proof(element, exact):
            return proof
        presumed = self._presumptions.failures(self._kept, element) if self._standard.presume else ()
        more = [*(record for record in presumed if record not in exact), *exact]
        return self._proof(element, more, presumed=True)

    def _proof(self, element: E, failures: Sequence[Record[E]], *, presumed: bool = False) -> Proof[E] | None:
        # Zero times infinity is no number, and no evidence is none however heavy a failure weighs.
        if not failures or len(failures) * self._standard.weight() < self._standard.enough:
            return None
        if not self._standard.steady and len(failures) < _LOOKS and not self._is_plain(element, failures[0]):
            return None
        return Proof(
            element=element,
            failures=tuple(record.outcome.trial for record in failures),
            configuration=failures[-1].granted,
            presumed=presumed,
        )

    def _is_plain(self, element: E, failure: Record[E]) -> bool:
        """Whether one look is enough.

        So it is where the failure shows what it is of, be it by what failed first and its last denials, where
        the element is likely to be needed, and where the run with the element gets further and fails again,
        which chance does not explain.
        Where denials are not known nobody can tell, and two launches for each element are too many.
        """
        if failure.outcome.denied is None or failure.outcome.evident:
            return True
        if self._beliefs.is_shown_fatal(element, failure.outcome):
            return True
        died = not failure.outcome.ended_normally and element in failure.outcome.denied[-_ENDS_WITHIN:]
        prior = self._inquiry.prior
        if prior is not None and prior(element) >= (_NO_WONDER_AT_ITS_END if died else _NO_WONDER):
            return True
        cured = self._inquiry.records(failure.granted | {element})
        return not any(record.outcome.passes for record in cured)

    def doubtful_first(self) -> list[E]:
        """What is kept, what will most likely go first: that makes all proofs before it void."""
        return sorted(self._inquiry.in_order(self._kept), key=self.needed)

    def needed(self, element: E) -> float:
        """How probable it is: what a run seems to have died of is needed, unless that is hard to believe."""
        chance = self._beliefs.needed(element)
        odds = chance / (1 - chance) * (_DIED_OF if element in self._presumptions.fatal else 1.0)
        return odds / (1 + odds)

    def told(self, element: E) -> int:
        """How much speaks for the element already: the more, the later it is asked (again)."""
        failed = len(self._inquiry.records(self._kept - {element}))
        return 2 * failed if failed else element in self._only_lacks

    def exhausted(self, element: E) -> bool:
        """Whether it has failed as often as it may; failures that are no evidence count here too."""
        return len(self._inquiry.records(self._kept - {element})) >= self._standard.max_repeats

    def _failures(self, element: E) -> list[Record[E]]:
        records = self._inquiry.records(self._kept - {element})
        return [record for record in records if self._tells(element, record.outcome)]

    def _tells(self, element: E, outcome: Outcome[E]) -> bool:
        """A run that never attempted the element failed for another reason."""
        return outcome.denied is None or element in outcome.denied or element in self._inquiry.blind


def certify(inquiry: Inquiry[E], kept: frozenset[E], standard: Standard) -> Minimum[E]:
    """Prove each element of `kept`, or drop it and prove the rest again.

    Invariant: `kept` has passed. Terminates with every element proven on exactly the final set, or
    undecided: it has failed `max_repeats` times without sufficient evidence. The elements most likely to go
    come first, since each that goes makes the proofs before it void (except where their runs did not depend
    on it).
    """
    while True:
        evidence = _Evidence(inquiry, standard, kept)
        order = evidence.doubtful_first()
        if removable := [element for element in order if evidence.removable(element)]:
            kept = _without(inquiry, kept, removable, order)
            continue
        open_ = [each for each in order if evidence.proof(each) is None and not evidence.exhausted(each)]
        if not open_:
            return _minimum(inquiry, kept, evidence)
        open_ = sorted(open_, key=evidence.told)
        group = frozenset(open_[: group_size([evidence.needed(element) for element in open_])])
        if len(group) == 1 or inquiry.records(kept - group):
            _ask_round(inquiry, kept, open_)
        elif _ask_round(inquiry, kept, open_, kept - group):
            kept -= group


def _without(
    inquiry: Inquiry[E], kept: frozenset[E], removable: Sequence[E], order: Sequence[E]
) -> frozenset[E]:
    """Take all away that can go one by one, if it can go together; else the first."""
    rest = kept.difference(removable)
    if len(removable) == 1:
        return rest
    # The round is not left to this one question: the others rely on its answer, which is nearly always yes.
    beside = [each for each in order if each in rest]
    inquiry.outcomes([rest, *(rest - {element} for element in beside[: inquiry.workers - 1])])
    return rest if inquiry.passes(rest) else kept - {removable[0]}


def _ask_round(inquiry: Inquiry[E], kept: frozenset[E], open_: Sequence[E], *first: frozenset[E]) -> bool:
    """One round, these ``first``: whether all of them pass.

    When fewer elements than workers are open, each is repeated side by side.
    """
    repeats = max(1, inquiry.workers // len(open_)) if inquiry.flake_rate > 0 else 1
    singles = [kept - {element} for element in list(open_) * repeats]
    inquiry.ask_afresh([*first, *singles][: inquiry.workers])
    return all(inquiry.passes(each) for each in first)


def _minimum(inquiry: Inquiry[E], kept: frozenset[E], evidence: _Evidence[E]) -> Minimum[E]:
    proofs = {element: evidence.proof(element) for element in inquiry.in_order(kept)}
    return Minimum(
        kept=kept,
        proofs={element: proof for element, proof in proofs.items() if proof is not None},
        undecided=frozenset(element for element, proof in proofs.items() if proof is None),
        queries=inquiry.queries,
        rounds=inquiry.rounds,
    )
