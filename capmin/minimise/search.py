"""The one entrance: run an algorithm, then prove its answer."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

from capmin.minimise.algorithms import ALGORITHMS, Algorithm
from capmin.minimise.certify import Standard, certify
from capmin.minimise.denial_guided import denial_guided
from capmin.minimise.gbs import gbs
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import Ask, E, Minimum, Outcome
from capmin.minimise.parallel import parallel

# Searched in shares a program takes twice as many trials as from below: fewer workers than this gain no time.
_MANY = 4

MAX_REPEATS = 12
"""At 5 % false failures three repeats prove an element, at 20 % six; beyond twelve the test is to blame."""


def minimise(
    candidates: Iterable[E],
    ask: Ask[E],
    *,
    algorithm: str = "auto",
    found: Iterable[E] | None = None,
    prior: Callable[[E], float] | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    flake_rate: float = 0.0,
    confidence: float = 0.95,
    max_repeats: int = MAX_REPEATS,
    known: Sequence[tuple[frozenset[E], Outcome[E]]] = (),
    try_empty_first: bool = False,
    blind: Iterable[E] = (),
    deterministic: bool = True,
    presume: bool = False,
    searched: int | None = None,
    steady: bool = True,
) -> Minimum[E]:
    """Find a subset of `candidates` that passes and from which nothing can be taken away, with the proofs.

    All candidates together must pass; the caller has seen to that, and says so in `known`. Whatever the
    algorithm, the answer is 1-minimal on exactly the set returned. The order of `candidates` breaks all
    ties, so the answer depends neither on hashing nor on timing, and on the number of workers only where
    several minimal sets exist.

    Args:
        candidates: what may be granted, in canonical order.
        ask: the oracle: what happens with just these candidates. What it raises is passed on untouched. It
            must be thread-safe when there is an executor.
        algorithm: a key of `ALGORITHMS`, or "auto" to choose by what the outcomes tell.
        found: a set that passes and is believed to be minimal: only the certificate is wanted. The other
            candidates are what earlier runs had besides.
        prior: how probable it is that an element is needed. Changes the cost, never the answer's validity.
        executor: where the questions of one round run side by side.
        workers: how many of them at once.
        flake_rate: the rate of false failures.
        confidence: of the whole answer, against keeping an element because of false failures.
        max_repeats: failures after which an element that is still not proven is left undecided.
        known: what was asked before.
        try_empty_first: the empty set first; right where most often nothing is needed, as with capabilities.
        blind: elements whose denial the oracle does not report, though it reports denials.
        deterministic: False where equal configurations make different runs (threads, time): then a run
            speaks for no configuration but its own.
        presume: count failures as proofs that are so only if (1) denials which the program went past do
            not change what it dies of afterwards, and (2) what fails at its usual end for want of one element
            does not fail because of a superfluous one. On 64 programs with alternatives and traps: no wrong
            answer, for two thirds of the trials. Leave it off where each answer has to be proven.
        steady: False where a rate of 0 is an estimate only: then a failure that could be by chance, as the
            run went on after the denial, is seen twice. A pass tells that there are false failures.
        searched: over how many elements the risk of a wrong answer is spread; by default these candidates.
    """
    inquiry = Inquiry(
        candidates,
        ask,
        prior=prior,
        executor=executor,
        workers=workers,
        flake_rate=flake_rate,
        known=known,
        blind=blind,
        deterministic=deterministic,
        presume=presume,
    )
    standard = Standard.of(
        flake_rate=flake_rate,
        confidence=confidence,
        candidates=searched or len(inquiry.candidates),
        max_repeats=max_repeats,
        presume=presume,
        steady=steady,
    )
    if try_empty_first and inquiry.passes(frozenset()):
        return certify(inquiry, frozenset(), standard)
    passing = _choose(algorithm, inquiry)(inquiry) if found is None else frozenset(found)
    return certify(inquiry, passing, standard)


def _choose(algorithm: str, inquiry: Inquiry[E]) -> Algorithm[E]:
    if algorithm != "auto":
        return ALGORITHMS[algorithm]
    if inquiry.denials_known and inquiry.workers < _MANY:
        return denial_guided
    return parallel if inquiry.workers > 1 else gbs
