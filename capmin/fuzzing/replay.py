"""Whether a counterexample found before is still one: after an upgrade, a fix, on another machine."""

from dataclasses import dataclass

from capmin.fuzzing.counterexample import Counterexample, Kind
from capmin.fuzzing.tries import Tries
from capmin.result import Confirmation


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """How often a counterexample still disagreed, of so many trials, and whether that is no chance.

    ``mended`` is whether a trap passes with what it was found to lack, None where that is not known.
    """

    found: Counterexample
    stands: bool
    seen: Confirmation
    mended: bool | None = None
    reason: str = ""
    evidence: str = ""


def replay(tries: Tries, found: Counterexample, *, runs: int) -> Replay:
    """Launch a counterexample again.

    A trap stands where every launch breaks; a part where those that fail are no more than tests do by
    themselves.

    Raises:
        EngineError: the engine is broken.
    """
    is_trap = found.kind is Kind.TRAP
    seen, trial = tries.confirm(found.grant, runs=runs, breaks=is_trap)
    stands = seen.passed == runs or (not is_trap and seen.fits(tries.flake_rate))
    mended = None
    if is_trap and stands and found.lacking:
        mended = not tries.breaks(found.grant.adding(found.lacking))
    return Replay(
        found=found,
        stands=stands,
        seen=seen,
        mended=mended,
        reason=trial.reason,
        evidence=tries.evidence(trial) if is_trap and stands else "",
    )
