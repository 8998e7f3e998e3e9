"""Prove every privilege kept, of all kinds together."""

import logging

from capmin.baseline import FLAKY_RUNS
from capmin.errors import BudgetSpent
from capmin.minimise import CERTIFY_ONLY, Minimum, Proof
from capmin.phases.bench import Bench
from capmin.privileges import Privilege
from capmin.privileges.capability import CAPABILITIES
from capmin.privileges.risk import riskiest_first

_log = logging.getLogger(__name__)


def certify(bench: Bench) -> None:
    """Prove what is kept on exactly the final grant, or put together what the phases have proven.

    Deleting one by one from an answer is its certificate; what has been asked already is not asked again.

    Raises:
        BudgetSpent: some are undecided; it names them.
    """
    bench.enter("certify")
    if bench.presume and bench.proven:
        bench.minimum = _together(bench)
        if not bench.minimum.undecided:
            return
    candidates = _kept(bench)
    try:
        bench.minimum = _minimise(bench, candidates)
        if bench.is_belied:
            _log.warning("the tests fail now and then for no reason: measuring how often, and proving again")
            bench.measure_flakiness(at_least=1 / (FLAKY_RUNS + 2))
            bench.improve(bench.best.without(frozenset(candidates) - bench.minimum.kept))
            candidates = _kept(bench)
            bench.minimum = _minimise(bench, candidates)
    except BudgetSpent as spent:
        proven = frozenset() if bench.minimum is None else bench.minimum.proofs.keys()
        undecided = sorted(frozenset(candidates) - proven)
        raise BudgetSpent(f"{spent}; undecided: {' '.join(undecided)}") from spent
    bench.improve(bench.best.without(frozenset(candidates) - bench.minimum.kept))


def _kept(bench: Bench) -> tuple[Privilege, ...]:
    capabilities = bench.best.capabilities if bench.plan.capabilities else frozenset()
    return (*riskiest_first(capabilities), *sorted(bench.best.syscalls or ()))


def _minimise(bench: Bench, candidates: tuple[Privilege, ...]) -> Minimum[Privilege]:
    searched = len(bench.baseline.grant.capabilities) if bench.baseline and bench.plan.capabilities else 0
    if bench.best.syscalls is not None:
        searched += len(bench.observed or bench.most_syscalls())
    return bench.minimise(
        candidates,
        phase="certify",
        algorithm=CERTIFY_ONLY,
        prior=bench.recalling(bench.learn_prior(bench.earlier, observed=True)),
        prove=True,
        searched=searched,
    )


def _together(bench: Bench) -> Minimum[Privilege]:
    """What the phases have proven, each for its kind while the other was not yet reduced."""
    kept = frozenset(_kept(bench))
    proofs: dict[Privilege, Proof[Privilege]] = {}
    for minimum in bench.proven:
        proofs |= {name: proof for name, proof in minimum.proofs.items() if name in kept}
    if bench.best.syscalls is not None:
        proofs = {name: _presumed(name, proof) for name, proof in proofs.items()}
    return Minimum(
        kept=kept,
        proofs=proofs,
        undecided=kept - proofs.keys(),
        queries=sum(minimum.queries for minimum in bench.proven),
        rounds=sum(minimum.rounds for minimum in bench.proven),
    )


def _presumed(name: Privilege, proof: Proof[Privilege]) -> Proof[Privilege]:
    """Capabilities were proven under the default filter: that holds with fewer calls, presumably."""
    if name not in CAPABILITIES or proof.presumed:
        return proof
    return Proof(element=name, failures=proof.failures, configuration=proof.configuration, presumed=True)
