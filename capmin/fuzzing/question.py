"""What is fuzzed: an answer, and how far around it grants are drawn."""

import errno
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from capmin.engines import Engine
from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.risk import riskiest_first
from capmin.recall import Document, recalled_grant, recalled_observation
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR


class Reach(StrEnum):
    """How many system calls wider grants may have."""

    OBSERVED = "observed"
    """Those that passing launches used when the answer was searched."""

    DEFAULT = "default"
    """All that Docker's default filter allows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Does ``answer`` pass, whatever of ``beyond`` is added, and fail, whatever of ``needed`` is taken away?

    ``needed`` and ``beyond`` are in canonical order, on which the draws of a seed depend. ``flake_rate`` is
    how often the tests failed by themselves when the answer was searched.
    """

    image: str
    scenarios: tuple[Scenario, ...]
    answer: Grant
    needed: tuple[Privilege, ...]
    beyond: tuple[Privilege, ...]
    denied_errno: int
    flake_rate: float = 0.0

    @property
    def widest(self) -> Grant:
        return self.answer.adding(frozenset(self.beyond))

    @classmethod
    def about(
        cls,
        document: Document,
        engine: Engine,
        *,
        image: str,
        scenarios: tuple[Scenario, ...],
        ceiling: frozenset[Capability],
        reach: Reach = Reach.DEFAULT,
    ) -> Self:
        """The question about a result, on an engine.

        Privileges of a kind that was not searched stay as Docker grants them.

        Raises:
            UsageError: the engine cannot give what the result grants.
        """
        capabilities, syscalls = document["capabilities"], document["syscalls"]
        fixed = DOCKER_DEFAULT & engine.ceiling
        everything = frozenset(_named(document))
        answer = recalled_grant(document, everything if capabilities is not None else everything | fixed)
        if missing := sorted(answer.capabilities - engine.ceiling):
            raise UsageError(
                f"the result grants {' '.join(missing)}, which {engine.name} cannot give on this host: "
                "fuzz it where it can (capmin doctor)"
            )
        more = frozenset[Capability]() if capabilities is None else ceiling & engine.ceiling
        calls = frozenset[Privilege]()
        if syscalls is not None:
            calls |= recalled_observation(document)
            calls |= engine.default_syscalls(answer.capabilities) if reach is Reach.DEFAULT else frozenset()
        return cls(
            image=image,
            scenarios=scenarios,
            answer=answer,
            needed=_in_order(everything),
            beyond=_in_order((more | calls) - FLOOR - answer.privileges),
            denied_errno=errno.ENOSYS if syscalls is None else getattr(errno, syscalls["errno"]),
            flake_rate=_flake_rate(document),
        )


def _named(document: Document) -> list[Privilege]:
    capabilities, syscalls = document["capabilities"] or {}, document["syscalls"] or {}
    return [
        *map(Capability, capabilities.get("required", ())),
        *map(Syscall, syscalls.get("required", ())),
    ]


def _in_order(privileges: frozenset[Privilege]) -> tuple[Privilege, ...]:
    capabilities = frozenset(Capability(name) for name in privileges if name.startswith("CAP_"))
    return (*riskiest_first(capabilities), *sorted(privileges - capabilities))


def _flake_rate(document: Document) -> float:
    """Of a trial, which fails where one of its scenarios does."""
    steady = 1.0
    for scenario in document["scenarios"]:
        steady *= 1.0 - float(scenario["flake_rate"])
    return 1.0 - steady
