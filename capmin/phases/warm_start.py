"""Start from the answer of an earlier campaign, if it still works."""

from capmin.phases.bench import Bench
from capmin.phases.reading import denied_privileges, is_clean
from capmin.recall import answers, recalled_grant, recalled_observation

MORE_ROUNDS = 5
"""How often what was denied is added when the recalled answer alone does not pass."""


def still_works(bench: Bench) -> bool:
    """Whether the answer of an earlier campaign works, be it with what it is now denied in addition.

    What is too much in it shows when it is certified.
    """
    plan, before = bench.plan, bench.before
    if before is None or not answers(before, capabilities=plan.capabilities, syscalls=plan.syscalls):
        return False
    bench.enter("recall")
    most = bench.best.capabilities | bench.most_syscalls()
    grant = recalled_grant(before, most)
    for _ in range(MORE_ROUNDS):
        trial = bench.ask(grant, "recall")
        if is_clean(trial):
            bench.observed = recalled_observation(before) | (grant.syscalls or frozenset())
            bench.improve(grant)
            return True
        grant = grant.adding(most & denied_privileges([trial]))
        if grant == trial.grant:
            break
    return False
