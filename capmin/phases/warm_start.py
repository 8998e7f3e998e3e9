"""Start from the answer of an earlier campaign: only what has changed since is searched."""

from collections.abc import Iterator, Mapping, Sequence

from capmin.grant import Grant
from capmin.phases.bench import Bench, Storm
from capmin.phases.footing import count_uses
from capmin.phases.reading import denied_privileges, is_clean
from capmin.priors import REMEMBERED, Prior
from capmin.privileges import Privilege, Syscall
from capmin.privileges.risk import riskiest_first
from capmin.recall import Document, answers, recalled_grant, recalled_observation

MORE_ROUNDS = 5
"""How often what was denied is added when the recalled answer alone does not pass."""


def still_works(bench: Bench) -> bool:
    """Whether the answer of an earlier campaign works, be it with what it lacks now; the best grant is that.

    What is too much in it shows when it is certified.
    """
    plan, before = bench.plan, bench.before
    if before is None or not answers(before, capabilities=plan.capabilities, syscalls=plan.syscalls):
        return False
    count_uses(bench)
    bench.enter("recall")
    most = bench.best.capabilities | bench.most_syscalls()
    recalled = recalled_grant(before, most)
    grant = _with_what_is_denied(bench, recalled, most - _done_without(before))
    seen = (recalled_observation(before) | (bench.uses or {}).keys()) & bench.most_syscalls()
    if is_clean(bench.oracle.trials[-1]):
        bench.recalled = grant == recalled
        bench.improve(grant)
    # What was added in vain is mostly what a program calls when it fails: wait4, gettid.
    elif not _find_what_it_lacks(bench, recalled, seen | (grant.syscalls or frozenset())):
        return False
    bench.observed = seen | (bench.best.syscalls or frozenset())
    return True


def _done_without(before: Document) -> frozenset[Privilege]:
    """System calls that were used then, and not needed: they are denied now as they were."""
    return recalled_observation(before) - frozenset((before["syscalls"] or {}).get("required", ()))


def _with_what_is_denied(bench: Bench, grant: Grant, more: frozenset[Privilege]) -> Grant:
    """The grant, and what of ``more`` it was denied, until it passes or nothing is left to add."""
    for _ in range(MORE_ROUNDS):
        trial = bench.ask(grant, "recall")
        wider = grant.adding(more & denied_privileges([trial]))
        if is_clean(trial) or wider == grant:
            break
        grant = wider
    return grant


def _find_what_it_lacks(bench: Bench, grant: Grant, seen: frozenset[Syscall]) -> bool:
    """Search among what the grant lacks of one kind, or of both; the rest stays as it is.

    Not all that is denied is seen: capset refuses what is not permitted already without a check that the
    kernel would report (nginx with proxy_bind transparent, for CAP_NET_RAW).
    """
    for wider in _wider(bench, grant, seen):
        if wider != grant and is_clean(bench.ask(wider, "recall")):
            break
    else:
        return False
    everything = bench.best
    bench.improve(wider)
    try:
        reduce_added(bench, wider.privileges - grant.privileges)
    except Storm:
        bench.improve(everything)
        return False
    return True


def _wider(bench: Bench, grant: Grant, seen: frozenset[Syscall]) -> Iterator[Grant]:
    everything = grant.with_capabilities(bench.best.capabilities)
    yield everything
    yield grant.adding(seen)
    yield everything.adding(seen)


def reduce_added(bench: Bench, more: frozenset[Privilege]) -> None:
    """Take away what can go of what was added to the best grant: capabilities first, as in every search.

    Raises:
        Storm: an earlier pass was none.
    """
    capabilities = bench.best.capabilities & more
    _reduce(bench, riskiest_first(capabilities), "capabilities")
    _reduce(bench, sorted(more - capabilities), "syscalls")


def _reduce(bench: Bench, more: Sequence[Privilege], phase: str) -> None:
    """Of all that was added one privilege may be needed, or a few: most likely what mostly is."""
    if not more:
        return
    bench.enter(phase)
    chances = _shares(more, bench.prior(bench.observed))
    minimum = bench.minimise(more, phase=phase, prior=chances.__getitem__)
    bench.improve(bench.best.without(frozenset(more) - minimum.kept))


def _shares(more: Sequence[Privilege], prior: Prior | None) -> Mapping[Privilege, float]:
    """How probably each is the one that is needed; that none is, is as probable as their average."""
    chances = {name: 0.5 if prior is None else min(prior(name), REMEMBERED) for name in more}
    odds = {name: chance / (1 - chance) for name, chance in chances.items()}
    total = (1 + 1 / len(more)) * sum(odds.values())
    return {name: each / total for name, each in odds.items()}
