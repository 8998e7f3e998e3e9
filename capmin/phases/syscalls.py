"""Search system calls: what launches use is most that they can need, but for what they seldom use."""

import logging

from capmin.minimise import likely
from capmin.phases.bench import Bench, Storm
from capmin.phases.reading import denied_syscalls, is_clean
from capmin.privileges import Syscall

_log = logging.getLogger(__name__)

MORE_OBSERVATION_ROUNDS = 5
"""How often what was denied is added when the observed set alone does not pass."""


def search_syscalls(bench: Bench) -> None:
    """Down from what was observed, or from all that the default filter allows."""
    bench.enter("syscalls")
    candidates = _candidates(bench)
    bench.improve(bench.best.with_syscalls(candidates))
    used = bench.observed if candidates <= (bench.observed or frozenset()) else None
    prior = bench.prior(used)
    while True:
        open_ = candidates - bench.pinned
        try:
            minimum = bench.minimise(sorted(open_), phase="syscalls", prior=prior, prove=bench.presume)
        except Storm as storm:
            bench.grant_again(storm)
        else:
            bench.improve(bench.best.without(open_ - minimum.kept))
            bench.presumed = minimum if bench.presume else None
            return


def _likely_enough(bench: Bench, candidates: frozenset[Syscall]) -> frozenset[Syscall] | None:
    """Those that a search begins with, if they pass: then nobody needs to know whether all do."""
    prior = bench.prior(candidates)
    if prior is None or bench.presume:
        return None
    few = likely(candidates, prior)
    return few if is_clean(bench.try_grant(bench.best.with_syscalls(few), "syscalls")) else None


def _candidates(bench: Bench) -> frozenset[Syscall]:
    """What has to be decided on: the observed set, once it is seen to pass.

    It was observed with more capabilities than are granted now, without which a program may use other calls.
    """
    universe = bench.most_syscalls()
    if bench.uses is None:
        _log.warning("%s cannot report system calls here: searching black box", bench.engine.name)
        return universe
    candidates = bench.observed = universe & bench.uses.keys()
    enough = bench.best.with_syscalls(candidates)
    if any(trial.grant == enough and bench.tells(trial) and is_clean(trial) for trial in bench.oracle.trials):
        return candidates
    if (few := _likely_enough(bench, candidates)) is not None:
        return few
    for _ in range(MORE_OBSERVATION_ROUNDS):
        trial = bench.try_grant(bench.best.with_syscalls(candidates), "syscalls")
        if is_clean(trial):
            return candidates
        missing = denied_syscalls(trial) & universe - candidates
        if not missing:
            break
        candidates |= missing
        bench.observed = candidates
    _log.warning("the observed system calls alone do not pass: searching among all that Docker allows")
    return universe
