"""Search capabilities, and the other minimal sets of them: the least risky is the answer."""

import logging

from capmin.minimise import Outcome, alternatives
from capmin.phases.bench import Bench
from capmin.phases.plan import ceiling_of
from capmin.phases.reading import checked_capabilities
from capmin.priors import capability_prior
from capmin.privileges import Capability, Privilege
from capmin.privileges.risk import CAPABILITY_RISK, riskiest_first

_log = logging.getLogger(__name__)

MOST_ALTERNATIVES = 8
"""Sets of capabilities that are reported: nobody reads more."""


def search_capabilities(bench: Bench) -> None:
    """Down from the grant of the baseline: with none at all first, then the riskiest away first."""
    bench.enter("capabilities")
    everything = bench.best
    candidates = riskiest_first(everything.capabilities)
    checked = None
    if bench.engine.observes_capabilities:
        checked = everything.capabilities & checked_capabilities(
            trial for trial in bench.oracle.trials if trial.phase == "observe"
        )
    minimum = bench.minimise(
        candidates,
        phase="capabilities",
        prior=None if checked is None else bench.recalling(capability_prior(checked)),
        try_empty_first=not checked,
    )
    bench.improve(everything.without(everything.capabilities - minimum.kept))
    if minimum.kept and bench.plan.alternatives:
        _prefer_less_risk(bench, candidates, minimum.kept)


def _prefer_less_risk(bench: Bench, candidates: tuple[Capability, ...], kept: frozenset[Privilege]) -> None:
    """Look for other minimal sets: the least risky of all is the answer."""
    bench.enter("alternatives")
    found, searched = bench.best, len(candidates)
    candidates = _all_that_may_be_granted(bench, candidates)
    everything = found.with_capabilities(candidates)
    bench.best = everything  # what is asked is part of it

    def ask(configuration: frozenset[Privilege]) -> Outcome[Privilege]:
        trial = bench.try_hard(everything.without(frozenset(candidates) - configuration), "alternatives")
        return bench.outcome(trial, candidates)

    sets = alternatives(
        candidates,
        ask,
        cost=lambda name: CAPABILITY_RISK[Capability(name)],
        first=kept,
        limit=MOST_ALTERNATIVES,
        budget=bench.plan.alternatives - (len(candidates) > searched),
        known=bench.known(candidates),
    )
    if not sets.complete:
        _log.warning(
            "other sets of capabilities were looked for in %d trials, and there may be more of them",
            sets.queries,
        )
    best = sets.sets[0]
    bench.alternatives, bench.alternatives_complete = sets.sets[1:], sets.complete
    bench.improve(found if best == kept else everything.without(frozenset(candidates) - best))


def _all_that_may_be_granted(bench: Bench, searched: tuple[Capability, ...]) -> tuple[Capability, ...]:
    """What was searched, and what the user allows beyond Docker's default, if the tests pass with all that.

    Where they pass by default the search starts from there, which is cheaper. But what does for a capability
    may not be one of Docker's: CAP_DAC_READ_SEARCH, with which files are read that CAP_DAC_OVERRIDE also
    writes, is not.
    """
    if bench.plan.ceiling is None:
        return searched
    allowed = ceiling_of(bench.plan, bench.engine)
    if allowed <= frozenset(searched):
        return searched
    candidates = riskiest_first(allowed.union(searched))
    bench.best = bench.best.with_capabilities(candidates)
    trial = bench.try_hard(bench.best, "alternatives")
    return candidates if bench.outcome(trial, candidates).passes else searched
