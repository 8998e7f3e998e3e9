"""How probable it is that a privilege is needed, before it is tried.

A prior changes what a search costs, never what it answers.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Protocol

from capmin.minimise import Example, learn_prior
from capmin.privileges import Capability, Privilege, Syscall
from capmin.recall import Document

Prior = Callable[[Privilege], float]


class LearnPrior(Protocol):
    """From results of earlier searches to a prior for system calls; None where nothing is to be believed."""

    def __call__(
        self, results: Iterable[Document] = (), *, used: frozenset[Syscall] | None = None
    ) -> Prior | None: ...


CHECKED, UNCHECKED = 0.7, 0.02
"""For a capability that was checked while all were granted, and for one that was not: a guess."""

REMEMBERED, DROPPED = 0.98, 0.02
"""For what an earlier search of the same image kept, and for what it dropped: not certain, hosts change."""


NEVER_NEEDED = 0.2, 10
"""Where calls are not observed: what is added to how many applications need one, and to how many there are.

With it 15 needed calls of 319 are found in 84 questions; with no prior in 107, and in 315 with that for calls
that are known to be used, as rare ones are then mostly needed.
"""


def syscall_prior(results: Iterable[Document] = (), *, used: frozenset[Syscall] | None = None) -> Prior:
    """The prior for system calls: from other applications, those of ``results`` included.

    Where it is known which are ``used``, applications that use the same tell most; else all that can be said
    is how many applications need each.
    """
    examples = [*_shipped(), *_found(results)]
    if used is not None:
        return learn_prior(examples, used)
    needed = Counter(name for example in examples for name in example.needed)
    more, of = NEVER_NEEDED
    return lambda name: (needed[name] + more) / (len(examples) + of)


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


@cache
def _shipped() -> tuple[Example[Privilege], ...]:
    """Applications of a public corpus, and workloads of our own; the file names them."""
    text = resources.files("capmin").joinpath("privileges/needed_prior.json").read_text(encoding="utf-8")
    shipped = json.loads(text)
    return tuple(
        _example(entry["needed"].split(), entry["unneeded"].split())
        for entry in (*shipped["corpus"], *shipped["ours"])
    )


def _found(results: Iterable[Document]) -> Iterator[Example[Privilege]]:
    for result in results:
        if (answer := result["syscalls"]) is not None:
            yield _example(answer["required"], answer["observed"])


def _example(needed: Iterable[str], used: Iterable[str]) -> Example[Privilege]:
    asked = frozenset(map(Syscall, needed))
    return Example(used=asked.union(map(Syscall, used)), needed=asked)
