"""How probable it is that a privilege is needed, before it is tried.

A prior changes what a search costs, never what it answers.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Protocol

from capmin.minimise import learn_prior
from capmin.minimise.priors import Count
from capmin.privileges import Capability, Privilege, Syscall
from capmin.recall import Document

Prior = Callable[[Privilege], float]


class LearnPrior(Protocol):
    """From results of earlier searches to a prior for system calls; None where nothing is to be believed."""

    def __call__(self, results: Iterable[Document] = (), *, observed: bool = True) -> Prior | None: ...


CHECKED, UNCHECKED = 0.7, 0.02
"""For a capability that was checked while all were granted, and for one that was not: a guess."""

REMEMBERED, DROPPED = 0.98, 0.02
"""For what an earlier search of the same image kept, and for what it dropped: not certain, hosts change."""


NEVER_NEEDED = 0.2, 10
"""Where calls are not observed: what is added to how many applications need one, and to how many there are.

With it 15 needed calls of 319 are found in 84 questions; with no prior in 107, and in 315 with that for calls
that are known to be used, as rare ones are then mostly needed.
"""


def syscall_prior(results: Iterable[Document] = (), *, observed: bool = True) -> Prior:
    """The prior for system calls: from other applications, those of ``results`` included.

    ``observed`` says that they were seen to be used; else all that can be said is how many applications need
    each.
    """
    corpus, ours = _shipped("syscalls"), _shipped("ours")
    if observed:
        corpus = {name: _worth(count) for name, count in corpus.items()}
    counts = _sum(corpus, ours, _counted(results))
    if observed:
        return learn_prior(counts)
    applications = max(count.observed for count in counts.values())
    more, of = NEVER_NEEDED
    return lambda name: (counts.get(name, _NONE).needed + more) / (applications + of)


def capability_prior(checked: frozenset[Capability]) -> Prior:
    """The prior for capabilities, of which some were seen to be checked."""
    return lambda privilege: CHECKED if privilege in checked else UNCHECKED


def remembering(result: Document, prior: Prior) -> Prior:
    """The prior of a search that was done before, with this result; ``prior`` tells of what is new."""
    capabilities, syscalls = result["capabilities"] or {}, result["syscalls"] or {}
    kept = {*capabilities.get("required", ()), *syscalls.get("required", ())}
    dropped = set(syscalls.get("observed", ())) - kept

    def recall(privilege: Privilege) -> float:
        if privilege in kept:
            return REMEMBERED
        return DROPPED if privilege in dropped else prior(privilege)

    return recall


_NONE = Count(0, 0)

CORPUS_WORTH = 4.0
"""So many observations of a call are what the corpus says of it worth, at most, beside those of our own.

Its tests ask less: that there is an answer, and not as which user a server runs.
"""


@cache
def _shipped(table: str) -> Mapping[Privilege, Count]:
    """Counts over the applications of a public corpus, or over workloads of our own; the file names them."""
    text = resources.files("capmin").joinpath("privileges/needed_prior.json").read_text(encoding="utf-8")
    return {Syscall(name): Count(*counts[:2]) for name, counts in json.loads(text)[table].items()}


def _worth(count: Count) -> Count:
    share = min(1.0, CORPUS_WORTH / count.observed) if count.observed else 0.0
    return Count(count.needed * share, count.observed * share)


def _sum(*tables: Mapping[Privilege, Count]) -> Mapping[Privilege, Count]:
    counts: dict[Privilege, Count] = {}
    for table in tables:
        for name, (needed, observed) in table.items():
            so_far = counts.get(name, _NONE)
            counts[name] = Count(so_far.needed + needed, so_far.observed + observed)
    return counts


def _counted(results: Iterable[Document]) -> Mapping[Privilege, Count]:
    needed, observed = Counter[Syscall](), Counter[Syscall]()
    for result in results:
        answer = result["syscalls"]
        if answer is not None:
            needed.update(map(Syscall, answer["required"]))
            observed.update(map(Syscall, {*answer["observed"], *answer["required"]}))
    return {name: Count(needed[name], observed[name]) for name in observed}
