"""Launch the answer as it was written; where it does not hold, take back what made it fail."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from math import comb

from capmin.baseline import Baseline
from capmin.engines import Engine, Observe
from capmin.grant import Grant
from capmin.judge import Stage, judge, only_differs, play, storms
from capmin.minimise import likely
from capmin.oracle import Oracle
from capmin.phases.bench import Bench, Storm
from capmin.phases.reading import denied_privileges, is_clean
from capmin.phases.warm_start import reduce_added
from capmin.scenario import Scenario
from capmin.seccomp import SeccompProfile
from capmin.trial import Launch, Trial, Verdict

_log = logging.getLogger(__name__)

PASSES_FACTOR = 4
"""How many times more passes in a row each return to the search asks for: 4, then 16."""

MOST_PASSES = 16
"""Beyond these the tests are to blame: what passes so often without a privilege hardly needs it."""

LAUNCHES_IN_DOUBT = 3
"""How many times more launches than those that confirm it may take to see the answer fail again."""

OTHER_COURSES = 3
"""How many launches of the answer are to find a race that passes in the others: of gettid's 99 in 100."""


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


def passes_on_another_course(bench: Bench) -> bool:
    """Whether the answer passes where its threads race differently, if it lacks what is likely needed.

    Postgres passes nine of ten launches without gettid, be they watched as in the search or not at all; then
    gosu, a Go program, hangs. Where denials are seen and no other calls, it passes two of ten, and rsync
    storms for want of clock_nanosleep in one of two.
    """
    tells = bench.plan.confirm > 0 and bench.engine.observes_syscalls and bench.flake_rate == 0.0
    if not tells or not likely(bench.dropped, bench.prior(bench.observed)):
        return True
    launches = (
        _launch(bench.oracle, bench.engine, scenario, replace(stage, observe=Observe.DENIALS), bench.best)
        for _ in range(OTHER_COURSES)
        for scenario, stage in bench.stages.items()
    )
    usual = bench.oracle.usual
    return all(
        judge(launch, usual)[0] is Verdict.WORKS and (bench.plan.accept_degraded or not storms(launch, usual))
        for launch in launches
    )


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
    again = _fails_again(bench)
    if again is not None:
        if seemed_steady and _chance(bench, bench.baseline, failed) <= 1 - bench.plan.confidence:
            bench.false_passes = True
        return _readmit(bench, bench.baseline.grant, again)
    if seemed_steady:
        _log.warning("the answer failed once and does so no more: proving again as if the tests were flaky")
        bench.measure_flakiness(seen=True)
    return seemed_steady


def _fails_again(bench: Bench) -> Trial | None:
    trials = (bench.ask(bench.best, "doubt") for _ in range(LAUNCHES_IN_DOUBT * bench.plan.confirm))
    return next((trial for trial in trials if not is_clean(trial)), None)


def _chance(bench: Bench, baseline: Baseline, failed: int) -> float:
    """How probable it is that only launches of the answer fail, if all others fail no less often.

    R. A. Fisher's exact test, Journal of the Royal Statistical Society 85 (1922). Those that confirm it count
    where some ``failed``.
    """
    doubted = [each for each in bench.oracle.trials if each.phase == "doubt" and each.grant == bench.best]
    launches = len(doubted) + (bench.plan.confirm if failed else 0)
    failures = failed + sum(not is_clean(trial) for trial in doubted)
    return comb(launches, failures) / comb(launches + len(baseline.trials), failures)


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
