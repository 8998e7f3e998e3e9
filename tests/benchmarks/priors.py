"""The default priors, without what the application at hand contributed to them."""

import json
from collections.abc import Callable, Sequence
from importlib.resources import files

from capmin.minimise import learn_prior
from capmin.minimise.priors import Count
from tests.benchmarks.programs import Workload

Prior = Callable[[str], float]


def held_out(workloads: Sequence[Workload]) -> Callable[[str], Prior]:
    """A function from an application of this corpus to priors that know nothing of it."""
    shipped = json.loads((files("capmin.privileges") / "needed_prior.json").read_text())
    counts = {name: Count(needed, observed) for name, (needed, observed, _) in shipped["syscalls"].items()}
    learnt_from = frozenset(shipped["applications"])

    def without(app: str) -> Prior:
        if app not in learnt_from:
            return learn_prior(counts)
        own = [workload for workload in workloads if workload.app == app]
        return learn_prior({name: _less(count, name, own) for name, count in counts.items()})

    return without


def _less(count: Count, name: str, own: Sequence[Workload]) -> Count:
    needed = sum(name in workload.needed for workload in own)
    observed = sum(name in workload.used for workload in own)
    return Count(max(0, count.needed - needed), max(0, count.observed - observed))
