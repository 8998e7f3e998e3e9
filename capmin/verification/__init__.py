"""Whether a profile still holds for an image; and if not, what it lacks (`capmin.verification.lacking`)."""

import math
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from capmin.baseline import Baseline
from capmin.engines import Engine, Image
from capmin.evidence import telling_line
from capmin.grant import Grant
from capmin.privileges import Privilege
from capmin.profile_files import GivenProfile
from capmin.result import Confirmation
from capmin.seccomp import FLOOR
from capmin.trial import Trial, Verdict
from capmin.verification.bench import Bench, Watch, Wish, denied
from capmin.verification.lacking import Lack, find_lacks

__all__ = ["CONFIDENCE", "Lack", "Verification", "Watch", "Wish", "verify"]

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """Whether a profile holds, and why not.

    ``degraded``: the tests pass, but much slower, or with a storm of denied calls. ``evidence`` is the
    telling line of the launch that failed. ``lacks`` is empty where it holds, and where granting all that is
    usual does not help either. ``harmless`` was denied, and is not needed.
    """

    image: Image
    engine: str
    given: GivenProfile
    grant: Grant
    launches: Confirmation
    flake_rate: float
    holds: bool = True
    degraded: bool = False
    reason: str = ""
    evidence: str = ""
    lacks: tuple[Lack, ...] = ()
    harmless: frozenset[Privilege] = frozenset()


def verify(wish: Wish, engine: Engine, executor: Executor, watch: Watch) -> Verification:
    """Launch with the profile as it is, until it is seen to break or has passed ``wish.runs`` times.

    A storm of denied calls shows only where calls are observed; so there is one more launch, observed.

    Raises:
        BaselineError: the tests fail with everything that is usual, too.
        EngineError: the engine is broken.
        ImageError: an image cannot be had.
        UsageError: the host cannot give what the profile grants.
    """
    bench = Bench(wish, engine, executor, watch)
    bench.enter("baseline")
    baseline = bench.find_baseline()
    bench.enter("verify")
    trials = _launch_as_written(bench, baseline.flake_rate)
    bench.enter("observe")
    observed = bench.observed()
    verification = _verification(bench, trials, baseline)
    broken = [trial for trial in trials if not bench.passes(trial)]
    if broken and _beyond_chance(bench, trials, baseline.flake_rate):
        return _explained(verification, bench, broken[0], observed, baseline)
    if bench.storms(observed):
        return _explained(verification, bench, observed, observed, baseline)
    return replace(verification, harmless=denied(observed))


def _launch_as_written(bench: Bench, flake_rate: float) -> tuple[Trial, ...]:
    trials: list[Trial] = []
    while len(trials) < bench.wish.runs and not _beyond_chance(bench, trials, flake_rate):
        batch = min(bench.wish.workers, bench.wish.runs - len(trials))
        trials += bench.executor.map(lambda _: bench.as_written(), range(batch))
    return tuple(trials)


def _beyond_chance(bench: Bench, trials: Iterable[Trial], flake_rate: float) -> bool:
    """Whether more launches fail than is explained by a test that fails by itself now and then."""
    counts = Counter(bench.passes(trial) for trial in trials)
    return counts[False] > 0 and at_least(counts[False], counts.total(), flake_rate) < 1 - CONFIDENCE


def at_least(failures: int, runs: int, rate: float) -> float:
    """The chance of at least so many failures in these runs, where each fails at this rate."""
    return math.fsum(
        math.comb(runs, count) * math.pow(rate, count) * math.pow(1 - rate, runs - count)
        for count in range(failures, runs + 1)
    )


def _verification(bench: Bench, trials: tuple[Trial, ...], baseline: Baseline) -> Verification:
    passed = sum(bench.passes(trial) for trial in trials)
    return Verification(
        image=bench.image,
        engine=f"{bench.engine.name} {bench.engine.version}",
        given=bench.wish.given,
        grant=bench.grant,
        launches=Confirmation(passed=passed, runs=len(trials), confidence=CONFIDENCE),
        flake_rate=baseline.flake_rate,
    )


def _explained(
    verification: Verification, bench: Bench, broken: Trial, observed: Trial, baseline: Baseline
) -> Verification:
    bench.enter("explain")
    usual = baseline.grant.capabilities
    most = frozenset[Privilege](usual) | bench.engine.default_syscalls(usual) - FLOOR
    lacks = find_lacks(bench, observed, most, baseline.flake_rate)
    return replace(
        verification,
        holds=False,
        degraded=broken.verdict is Verdict.WORKS,
        reason=broken.reason,
        evidence=telling_line(broken.launches[-1]),
        lacks=lacks,
        harmless=denied(observed) - {lack.privilege for lack in lacks},
    )
