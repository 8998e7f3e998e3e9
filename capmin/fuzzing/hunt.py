"""The hunt for counterexamples: wider grants have to pass, parts of the answer have to fail."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from capmin.fuzzing.counterexample import Counterexample, Kind
from capmin.fuzzing.draws import Strategy, draw_one, few_of, some_of
from capmin.fuzzing.tries import BudgetEnded, Tries
from capmin.privileges import Privilege

CONFIRM = 5
"""Launches that a counterexample has to stand before it is told."""

IDLE_DRAWS = 30
"""So many draws in a row that bring nothing new: all there is has been drawn, or nearly."""

_Found = Callable[[Counterexample], None]


@dataclass(kw_only=True, slots=True)
class Hunt:
    """What came of it; filled as it goes on, and true whenever it is stopped.

    Attributes:
        holds: whether the answer itself passes, None before that is known.
        reason: why it does not, with ``evidence``.
        counterexamples: the smallest grants that disagree, all confirmed.
        exhausted: whether it ended because nothing new was drawn, and not by the budget.
    """

    holds: bool | None = None
    reason: str = ""
    evidence: str = ""
    counterexamples: list[Counterexample] = field(default_factory=list)
    exhausted: bool = False


def hunt(tries: Tries, *, seed: int, confirm: int = CONFIRM, on_found: _Found = lambda _: None) -> Hunt:
    """Draw grants around the answer until the budget ends, or nothing new is drawn.

    The subsets of an answer are known to fail, and the supersets to pass, for monotone tests only: a search
    looks at neither. Wider grants and parts are drawn in turns. A later draw gets what a known trap lacks,
    so that the next trap is another one; of the parts that pass the first is enough, as it says that there
    is a smaller answer to be searched.

    Args:
        tries: begun.
        seed: the same draws for the same answers.
        confirm: launches that a counterexample has to stand.
        on_found: is told each counterexample at once.

    Raises:
        EngineError: the engine is broken.
    """
    hunter = _Hunter(tries=tries, seed=seed, confirm=confirm, on_found=on_found)
    try:
        hunter.look_at_the_answer()
        if hunter.found.holds:
            hunter.look_around()
            hunter.found.exhausted = True
    except BudgetEnded:
        pass
    return hunter.found


@dataclass(kw_only=True, slots=True)
class _Hunter:
    tries: Tries
    seed: int
    confirm: int
    on_found: _Found
    found: Hunt = field(default_factory=Hunt)
    _beyond: "Strategy[Privilege]" = field(init=False)
    _parts: "Strategy[Privilege]" = field(init=False)

    def __post_init__(self) -> None:
        # Made once: Hypothesis looks at a strategy from all sides before the first draw.
        self._beyond = some_of(self.tries.question.beyond)
        self._parts = few_of(self.tries.question.needed)

    def look_at_the_answer(self) -> None:
        answer = self.tries.question.answer
        self.found.holds = not self.tries.breaks(answer)
        if not self.found.holds:
            _, trial = self.tries.confirm(answer, runs=1, breaks=True)
            self.found.reason, self.found.evidence = trial.reason, self.tries.evidence(trial)

    def look_around(self) -> None:
        idle = number = 0
        while idle < IDLE_DRAWS:
            before = self.tries.wider + self.tries.parts
            self._look_wider(f"wider {self.seed} {number}")
            if self._has_parts:
                self._look_at_parts(f"part {self.seed} {number}")
            idle = idle + 1 if self.tries.wider + self.tries.parts == before else 0
            number += 1

    @property
    def _has_parts(self) -> bool:
        """Whether there are any left: of few privileges there are few, and one counterexample is enough."""
        every = 2 ** len(self.tries.question.needed) - 1
        told = any(each.kind is Kind.PART for each in self.found.counterexamples)
        return not told and self.tries.parts < every

    def _look_wider(self, seed: str) -> None:
        tries, answer = self.tries, self.tries.question.answer

        def breaks(more: frozenset[Privilege]) -> bool:
            grant = answer.adding(self._past_known_traps(more))
            return grant != answer and tries.breaks(grant)

        if tries.question.beyond:
            drawn = draw_one(self._beyond, breaks, seed)
            if drawn.smallest is not None:
                self._keep(Kind.TRAP, self._past_known_traps(drawn.smallest), shrunk=drawn.stopped is None)
            if drawn.stopped is not None:
                raise drawn.stopped

    def _look_at_parts(self, seed: str) -> None:
        tries, answer = self.tries, self.tries.question.answer
        shrinking = False

        def works(less: frozenset[Privilege]) -> bool:
            nonlocal shrinking
            passes = bool(less) and tries.works(answer.without(less), thorough=shrinking)
            shrinking |= passes
            return passes

        drawn = draw_one(self._parts, works, seed)
        if drawn.smallest is not None:
            self._keep(Kind.PART, drawn.smallest, shrunk=drawn.stopped is None)
        if drawn.stopped is not None:
            raise drawn.stopped

    def _past_known_traps(self, more: frozenset[Privilege]) -> frozenset[Privilege]:
        """With what known traps lack; where nothing helps, without the trap."""
        for trap in self.found.counterexamples:
            if trap.kind is Kind.TRAP and trap.granted <= more:
                more = more | trap.lacking if trap.lacking else more - {min(trap.granted)}
        return more

    def _keep(self, kind: Kind, difference: frozenset[Privilege], *, shrunk: bool) -> None:
        """Confirm one, find out what it lacks, and tell it."""
        trap, tries = kind is Kind.TRAP, self.tries
        nothing = frozenset[Privilege]()
        grant = tries.question.answer
        grant = grant.adding(difference) if trap else grant.without(difference)
        seen, trial = tries.confirm(grant, runs=self.confirm, breaks=trap)
        if seen.passed < seen.runs and (trap or not seen.fits(tries.flake_rate)):
            tries.take_back(grant)
            return
        found = Counterexample(
            kind=kind,
            answer=tries.question.answer,
            granted=difference if trap else nothing,
            withheld=nothing if trap else difference,
            smallest=shrunk or len(difference) == 1,
            seen=seen,
            trial=trial.number,
            reason=trial.reason,
            evidence=tries.evidence(trial) if trap else "",
        )
        if trap:
            found = replace(found, lacking=self._lacking(found))
        self.found.counterexamples.append(found)
        self.on_found(found)

    def _lacking(self, trap: Counterexample) -> frozenset[Privilege] | None:
        beyond = self.tries.question.beyond
        try:
            return self.tries.lacking(trap.grant, [name for name in beyond if name not in trap.granted])
        except BudgetEnded:
            return None
