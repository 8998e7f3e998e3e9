"""From what the search starts: the baseline, and what launches use while everything is granted.

Launches that observe are launches with everything granted, too: where nothing new is seen in them they run at
full speed, and count as runs of the baseline.
"""

import logging
from dataclasses import replace

from capmin.baseline import RUNS, extended, find_baseline
from capmin.grant import Grant
from capmin.observation import denied_syscalls, observe_syscalls, observe_the_rest, used_syscalls
from capmin.phases.bench import Bench
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.recall import recalled_observation, recalled_uses
from capmin.trial import Trial, Verdict

_log = logging.getLogger(__name__)

RUNS_BEFORE_OBSERVATION = 2
"""One more than it takes to see that the tests pass at all; the rounds of observation are at least two."""


def find_footing(bench: Bench) -> None:
    """Run the scenarios with everything granted.

    Raises:
        BaselineError: they fail there too.
    """
    bench.enter("baseline")
    ceiling = bench.best
    usual = Grant(capabilities=DOCKER_DEFAULT & ceiling.capabilities)
    runs = RUNS_BEFORE_OBSERVATION if _observes(bench) else RUNS
    bench.baseline = find_baseline(
        bench.oracle,
        bench.executor,
        usual=usual,
        ceiling=ceiling,
        runs=1 if bench.before is not None else runs,
        first=_first_of_warm_start(bench, usual),
    )
    if bench.baseline.grant != usual:
        _log.warning("the tests fail under Docker's default grant: searching down from the ceiling")
    if bench.plan.capabilities and bench.baseline.is_powerless:
        user = next(iter(bench.stages.values())).image.user
        _log.warning(
            "the image runs as user %s, for whom no capability granted is in effect: "
            "that one is not needed may mean that it could not be used",
            user,
        )
    _compare_with_it(bench)
    bench.improve(bench.baseline.grant)


def _first_of_warm_start(bench: Bench, usual: Grant) -> Trial | None:
    """A launch that shows what is used now and was not when an earlier result was found.

    How often the rest is used that result says. Where nothing is new, the launch ran at full speed, and is
    the whole baseline: so a search that only has to prove an old answer takes two trials beyond its proofs.
    """
    if bench.before is None or not _observes(bench):
        return None
    uses = recalled_uses(bench.before)
    if not uses:
        return None
    trial = observe_the_rest(bench.oracle, usual, recalled_observation(bench.before))
    new = used_syscalls(trial)
    bench.uses = uses | denied_syscalls(trial) | new
    return trial if trial.verdict is Verdict.WORKS and not new else None


def observe(bench: Bench) -> None:
    """See what is used while everything is granted, in launches that complete the baseline."""
    if bench.baseline is None:
        raise ValueError("the baseline comes before the observation")
    grant = bench.baseline.grant
    if _observes(bench):
        bench.enter("observe")
        traces = bench.plan.capabilities and bench.engine.observes_capabilities
        bench.uses = observe_syscalls(bench.oracle, grant, capabilities=traces)
        rounds = [trial for trial in bench.oracle.trials if trial.phase == "observe"]
        quiet = [trial for number, trial in enumerate(rounds) if number and not used_syscalls(trial)]
        bench.baseline = extended(
            bench.oracle, bench.executor, bench.baseline, quiet, runs=bench.plan.baseline
        )
    else:
        bench.baseline = extended(bench.oracle, bench.executor, bench.baseline, (), runs=bench.plan.baseline)
    if not _observes(bench) and bench.plan.capabilities and bench.engine.observes_capabilities:
        bench.enter("observe")
        bench.oracle.ask(
            grant, phase="observe", adapt=lambda stage: replace(stage, observe_capabilities=True)
        )
    _compare_with_it(bench)


def count_uses(bench: Bench) -> None:
    """Have uses counted, if they can be and were not: without them no storm would be told from use."""
    if bench.uses is None and _observes(bench):
        observe(bench)


def _observes(bench: Bench) -> bool:
    return bench.plan.syscalls and bench.engine.observes_syscalls


def _compare_with_it(bench: Bench) -> None:
    if bench.baseline is None:
        return
    bench.oracle.set_limits(bench.baseline.limits_s(bench.plan.time_limit_s))
    bench.oracle.set_usual(replace(bench.baseline.usual, uses=bench.uses or {}))
