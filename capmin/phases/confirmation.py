"""Launch the answer as it was written; where it does not hold, take back what made it fail."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb

from capmin.engines import Engine
from capmin.grant import Grant
from capmin.judge import Stage, only_differs, play
from capmin.oracle import Oracle
from capmin.phases.bench import Bench, Storm
from capmin.phases.reading import denied_privileges, is_clean
from capmin.phases.warm_start import reduce_added
from capmin.scenario import Scenario
from capmin.seccomp import SeccompProfile
from capmin.trial import Launch, Trial

_log = logging.getLogger(__name__)

PASSES_FACTOR = 4
"""How many times more passes in a row each return to the search asks for: 4, then 16."""

MOST_PASSES = 16
"""Beyond these the tests are to blame: what passes so often without a privilege hardly needs it."""

LAUNCHES_IN_DOUBT = 3
"""How many times more launches than those that confirm it may take to see the answer fail again."""


def launch_as_written(
    bench: Bench,
    engine: Engine,
    stages: Mapping[Scenario, Stage],
    profile: SeccompProfile | None,
) -> tuple[Launch, ...]:
    """Launch all scenarios once under the best grant, with the filter as it was read back from its file."""
    return tuple(
        _launch(bench.oracle, engine, scenario, replace(stage, seccomp_profile=profile), bench.best)
        for scenario, stage in stages.items()
    )


def _launch(oracle: Oracle, engine: Engine, scenario: Scenario, stage: Stage, grant: Grant) -> Launch:
    launch = play(engine, scenario, stage, grant)
    usual = oracle.usual
    if usual.grant is not None and only_differs(launch, usual):
        oracle.learn(play(engine, scenario, replace(stage, seccomp_profile=None), usual.grant))
    return launch


def reconsider(bench: Bench, *, failed: int) -> bool:
    """Find out why the answer ``failed`` so often, and go back accordingly; False where nothing can be done.

    Either the tests fail now and then with everything granted, too: then all has to be proven again at their
    rate. Or something passed by chance without a privilege that it needs: then what the answer was denied is
    granted again, and from then on a grant has to pass several times. Where neither shows again, the first is
    supposed. Nothing can be done where that did not help, or the answer was denied nothing when it failed, or
    was taken back too often.
    """
    if bench.passes >= MOST_PASSES or bench.baseline is None:
        return False
    bench.enter("doubt")
    seemed_steady = bench.baseline.flake_rate == 0.0
    if seemed_steady:
        bench.measure_flakiness()
        if bench.flake_rate > 0.0:
            _log.warning("the tests fail now and then for no reason: proving again")
            return True
    doubted = _launch_until_it_fails(bench)
    if not is_clean(doubted[-1]):
        chance = _chance(failed + 1, bench.plan.confirm + len(doubted), len(bench.baseline.trials))
        if seemed_steady and chance <= 1 - bench.plan.confidence:
            bench.false_passes = True
        return _readmit(bench, bench.baseline.grant, doubted[-1])
    if seemed_steady:
        _log.warning("the answer failed once and does so no more: proving again as if the tests were flaky")
        bench.measure_flakiness(seen=True)
    return seemed_steady


def _launch_until_it_fails(bench: Bench) -> Sequence[Trial]:
    trials: list[Trial] = []
    for _ in range(LAUNCHES_IN_DOUBT * bench.plan.confirm):
        trials.append(bench.ask(bench.best, "doubt"))
        if not is_clean(trials[-1]):
            break
    return trials


def _chance(failed: int, launches: int, others: int) -> float:
    """How probable it is that all who failed are among these launches, if the others fail no less often.

    R. A. Fisher's exact test, Journal of the Royal Statistical Society 85 (1922); no other has failed.
    """
    return comb(launches, failed) / comb(launches + others, failed)


def _readmit(bench: Bench, everything: Grant, failed: Trial) -> bool:
    """Grant what was denied to a launch that failed, and take away again what can go."""
    most = everything.capabilities | (bench.observed or bench.most_syscalls())
    missing = most - bench.best.privileges
    if failed.launches[-1].denials is not None:
        missing &= denied_privileges([failed])
    if not bench.plan.capabilities:
        missing -= everything.capabilities
    if not missing:
        return False
    bench.passes *= PASSES_FACTOR
    _log.warning(
        "the answer failed when it was launched again: searching on with what it was denied (%s); "
        "from now on %d passes in a row are asked for",
        " ".join(sorted(missing)),
        bench.passes,
    )
    bench.minimum = bench.presumed = None
    widened = bench.best.adding(missing)
    bench.improve(widened)
    try:
        reduce_added(bench, missing)
    except Storm as storm:
        bench.improve(widened)
        bench.grant_again(storm)
    return True
