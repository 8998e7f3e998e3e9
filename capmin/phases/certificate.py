"""Prove every privilege kept, of all kinds together."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from capmin.errors import BudgetSpent
from capmin.minimise import Minimum, Proof
from capmin.phases.bench import Bench, Storm
from capmin.privileges import Privilege
from capmin.privileges.risk import riskiest_first

_log = logging.getLogger(__name__)


def certify(bench: Bench) -> None:
    """Prove what is kept: capabilities on exactly the final grant, system calls as the user wants it.

    Deleting one by one from an answer is its certificate; what has been asked already is not asked again.

    Raises:
        BudgetSpent: some are undecided.
    """
    bench.enter("certify")
    _prove_all(bench)
    if bench.is_belied:
        _log.warning("the same grant passed and failed: measuring how often that happens, and proving again")
        bench.measure_flakiness(seen=bench.passes == 1)
        _prove_all(bench)


@contextmanager
def naming_undecided(bench: Bench, *, in_doubt: bool = False) -> Iterator[None]:
    """Where the budget ends, in whatever phase, say what is kept without a proof.

    What was proven while the tests were taken for steady is not, once they have turned out to fail by
    themselves; nor is anything ``in_doubt``, when the answer has failed as it was written.

    Raises:
        BudgetSpent: it does.
    """
    try:
        yield
    except BudgetSpent as spent:
        if bench.baseline is None:
            raise
        minimum = None if in_doubt or bench.is_belied else bench.minimum
        undecided = sorted(frozenset(_kept(bench)).difference(minimum.proofs if minimum is not None else ()))
        if not undecided:
            raise
        raise BudgetSpent(f"{spent}; undecided: {' '.join(undecided)}") from spent


def _prove_all(bench: Bench) -> None:
    """Prove what is kept, or drop it; what turns out to storm is taken back first.

    What has a presumed proof needs no other, as long as nothing of the rest goes: it was presumed granted.
    """
    while True:
        kept = _kept(bench)
        presumed = bench.presumed.proofs if bench.presumed is not None and bench.presume else {}
        rest = tuple(name for name in kept if name not in presumed)
        try:
            minimum = _minimise(bench, rest)
        except Storm as storm:
            bench.grant_again(storm)
            continue
        bench.improve(bench.best.without(frozenset(rest) - minimum.kept))
        bench.minimum = _with_presumed(minimum, presumed, kept)
        if not presumed or minimum.kept == frozenset(rest):
            return
        bench.presumed = None


def _with_presumed(
    minimum: Minimum[Privilege], presumed: Mapping[Privilege, Proof[Privilege]], kept: Iterable[Privilege]
) -> Minimum[Privilege]:
    proofs = {name: proof for name in kept if (proof := minimum.proofs.get(name) or presumed.get(name))}
    return replace(minimum, kept=minimum.kept | presumed.keys(), proofs=proofs)


def _kept(bench: Bench) -> tuple[Privilege, ...]:
    capabilities = bench.best.capabilities if bench.plan.capabilities else frozenset()
    return (*riskiest_first(capabilities), *sorted(bench.best.syscalls or ()))


def _minimise(bench: Bench, candidates: tuple[Privilege, ...]) -> Minimum[Privilege]:
    searched = len(bench.baseline.grant.capabilities) if bench.baseline and bench.plan.capabilities else 0
    if bench.best.syscalls is not None:
        searched += len(bench.observed or bench.most_syscalls())
    return bench.minimise(
        # Runs on record that had besides some of what was dropped may tell all the same.
        (*candidates, *sorted(bench.dropped)),
        phase="certify",
        found=candidates,
        prior=bench.prior(bench.observed or bench.best.syscalls or frozenset()),
        prove=True,
        searched=searched,
    )
