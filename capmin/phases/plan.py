"""What the user asked for, and who is told how it goes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from capmin.baseline import RUNS
from capmin.engines import Engine
from capmin.grant import Grant
from capmin.privileges import Capability
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.scenario import Scenario
from capmin.trial import Trial


class Proofs(StrEnum):
    """What counts as the proof of a privilege that is kept."""

    EXACT = "exact"
    """A launch that failed under exactly the final grant without it, or one that would have been the same."""

    PRESUMED = "presumed"
    """Also a launch that lacked more and died of that system call, as far as one can tell: fewer trials.

    Of 35 real programs three kept a call that could go. Capabilities are proven exactly all the same.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What the user asked for.

    The tests run ``baseline`` times with everything granted before anything is taken away.
    ``ceiling`` is None for Docker's default; ``budget`` counts trials, and so does ``alternatives``: those
    that the search for other sets of capabilities may take.
    """

    image: str
    scenarios: tuple[Scenario, ...]
    capabilities: bool = True
    syscalls: bool = True
    ceiling: frozenset[Capability] | None = None
    denied_errno: int
    baseline: int = RUNS
    confirm: int = 10
    workers: int = 1
    time_limit_s: float = 60.0
    budget: int | None = None
    alternatives: int = 20
    seed: int = 0
    confidence: float = 0.95
    algorithm: str = "auto"
    proofs: Proofs = Proofs.EXACT
    accept_degraded: bool = False


class Watcher(Protocol):
    """Who wants to know how a campaign goes on; called from any of its threads."""

    def phase(self, name: str) -> None: ...

    def trial(self, trial: Trial) -> None: ...

    def best(self, grant: Grant) -> None: ...


def ceiling_of(plan: Plan, engine: Engine) -> frozenset[Capability]:
    """What may be granted: what the plan allows, as far as the host has it."""
    if plan.ceiling is None:
        return DOCKER_DEFAULT & engine.ceiling
    return plan.ceiling & engine.ceiling
