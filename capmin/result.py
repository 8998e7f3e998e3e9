"""What a campaign found, as the document ``result.json`` (schema ``capmin/result/1``).

`Result.to_json` gives that document to the letter of its contract: names sorted, kernel spelling, seconds.
Its JSON schema ships as ``capmin/data/result.schema.json``.
"""

import errno
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from capmin.mounting import ServiceMount
from capmin.privileges import Capability, Privilege, Syscall

SCHEMA = "capmin/result/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateEntry:
    """Why a privilege is kept: the trial that failed for want of it.

    ``denied`` is the system call in which it was refused, where an observer saw it; ``evidence`` what the
    program printed then. A ``presumed`` one failed under another grant than the final one without this
    privilege, and would have failed under that, too, as far as one can tell.
    """

    privilege: Privilege
    trial: int
    denied: Syscall | None = None
    evidence: str = ""
    presumed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioSummary:
    """How a scenario did at the baseline: its median time, and the share of its runs that failed there."""

    name: str
    baseline_s: float
    flake_rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CapabilityAnswer:
    """The capabilities needed.

    ``alternatives`` are other minimal sets, and ``alternatives_complete`` says whether these are all (None
    where they were not looked for); ``degraded`` is what the tests pass without, but badly.
    """

    required: frozenset[Capability]
    alternatives: tuple[frozenset[Capability], ...] = ()
    alternatives_complete: bool | None = None
    degraded: frozenset[Capability] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class SyscallAnswer:
    """The system calls needed above the floor; ``observed`` is what passing runs used.

    ``uses`` counts them, and those that Docker's own filter denies, in one launch at most; it is empty where
    that was not observed, and then not written.
    """

    required: frozenset[Syscall]
    observed: frozenset[Syscall]
    uses: Mapping[Syscall, int] = field(default_factory=dict)
    floor: frozenset[Syscall]
    degraded: frozenset[Syscall] = frozenset()
    denied_errno: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialCount:
    """What the search cost.

    In ``waited_s`` of its launches' time nothing was done but wait for a success, in vain or not; None where
    that is not known.
    """

    total: int
    lower_bound: int
    launches: int
    unresolved: int
    waited_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """How often the emitted files held, launched for real; no runs where nothing was confirmed."""

    passed: int
    runs: int
    confidence: float = 0.95

    def fits(self, flake_rate: float) -> bool:
        """Whether so many failures are no wonder with tests that fail at this rate whatever is granted."""
        failed = self.runs - self.passed
        return failed == 0 or 1.0 - _at_most(failed - 1, self.runs, flake_rate) > 1.0 - self.confidence

    @property
    def max_failure_rate(self) -> float:
        """The largest failure rate that these runs leave possible, at this confidence.

        The one-sided bound of Clopper and Pearson (Biometrika 26, 1934); ``1 - (1 - confidence) ** (1 /
        runs)`` where all passed.
        """
        failed = self.runs - self.passed
        if failed >= self.runs:
            return 1.0
        low, high = failed / self.runs, 1.0
        while high - low > 1e-9:  # noqa: PLR2004 - far below the two digits that are written
            middle = (low + high) / 2
            if _at_most(failed, self.runs, middle) > 1 - self.confidence:
                low = middle
            else:
                high = middle
        return high


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The answer of a campaign, with what it rests on.

    ``capabilities`` and ``syscalls`` are None where they were not searched; ``confirm_engine`` where nothing
    was confirmed. Engines are a name and a version: ``runc 1.1.5``. ``files`` maps what a file is for to its
    name in the output directory. ``created``, ``user`` (the image's own) and ``mounts`` (what the scenarios
    mount) are written only where given: they are not of the contract.
    """

    image_reference: str
    image_digest: str
    search_engine: str
    confirm_engine: str | None = None
    kernel: str
    architecture: str
    ceiling: frozenset[Capability]
    scenarios: tuple[ScenarioSummary, ...]
    capabilities: CapabilityAnswer | None
    syscalls: SyscallAnswer | None
    certificate: tuple[CertificateEntry, ...]
    trials: TrialCount
    confirmation: Confirmation
    wall_s: float
    files: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    user: str | None = None
    mounts: tuple[ServiceMount, ...] = ()

    @property
    def kept(self) -> frozenset[Privilege]:
        """All that is required, of the kinds that were searched."""
        capabilities = frozenset() if self.capabilities is None else self.capabilities.required
        return capabilities | (frozenset() if self.syscalls is None else self.syscalls.required)

    def to_json(self) -> dict[str, Any]:
        """The document, made of what `json` can write."""
        image = {"reference": self.image_reference, "digest": self.image_digest}
        if self.user is not None:
            image["user"] = self.user
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "image": image,
            "engine": {"search": self.search_engine, "confirm": self.confirm_engine},
            "host": {
                "kernel": self.kernel,
                "architecture": self.architecture,
                "ceiling": sorted(self.ceiling),
            },
            "scenarios": [_scenario(scenario) for scenario in self.scenarios],
            "capabilities": _capabilities(self.capabilities),
            "syscalls": _syscalls(self.syscalls),
            "certificate": [_entry(entry) for entry in sorted(self.certificate, key=_by_privilege)],
            "trials": _trials(self.trials),
            "confirmation": _confirmation(self.confirmation),
            "wall_s": _seconds(self.wall_s),
            "files": dict(self.files),
        }
        if self.mounts:
            document["mounts"] = [mount.to_json() for mount in self.mounts]
        if self.created is not None:
            document["created"] = timestamp(self.created)
        return document

    def dumps(self) -> str:
        """The text of ``result.json``."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"


def timestamp(moment: datetime) -> str:
    """A moment as RFC 3339 writes it, in UTC, to the second: ``2026-11-21T19:30:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def schema() -> Mapping[str, Any]:
    """The JSON schema of the document (draft 2020-12)."""
    text = resources.files("capmin").joinpath("data/result.schema.json").read_text(encoding="utf-8")
    document: Mapping[str, Any] = json.loads(text)
    return document


def _by_privilege(entry: CertificateEntry) -> tuple[bool, str]:
    """Capabilities first, as everywhere."""
    return not entry.privilege.startswith("CAP_"), entry.privilege


def _scenario(summary: ScenarioSummary) -> dict[str, Any]:
    return {
        "name": summary.name,
        "baseline_s": _seconds(summary.baseline_s),
        "flake_rate": round(summary.flake_rate, 4),
    }


def _capabilities(answer: CapabilityAnswer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "required": sorted(answer.required),
        "alternatives": [sorted(names) for names in answer.alternatives],
        "degraded": sorted(answer.degraded),
    } | (
        {}
        if answer.alternatives_complete is None
        else {"alternatives_complete": answer.alternatives_complete}
    )


def _syscalls(answer: SyscallAnswer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "required": sorted(answer.required),
        "observed": sorted(answer.observed),
        "floor": sorted(answer.floor),
        "degraded": sorted(answer.degraded),
        "errno": errno.errorcode[answer.denied_errno],
    } | ({"uses": dict(sorted(answer.uses.items()))} if answer.uses else {})


def _entry(entry: CertificateEntry) -> dict[str, Any]:
    return {
        "privilege": entry.privilege,
        "trial": entry.trial,
        "denied": entry.denied,
        "evidence": entry.evidence,
    } | ({"proof": "presumed"} if entry.presumed else {})


def _trials(count: TrialCount) -> dict[str, float]:
    return {
        "total": count.total,
        "lower_bound": count.lower_bound,
        "launches": count.launches,
        "unresolved": count.unresolved,
    } | ({} if count.waited_s is None else {"waited_s": _seconds(count.waited_s)})


def _confirmation(confirmation: Confirmation) -> dict[str, Any]:
    return {
        "passed": confirmation.passed,
        "runs": confirmation.runs,
        "confidence": confirmation.confidence,
        "max_failure_rate": _rounded_up(confirmation.max_failure_rate),
    }


def _seconds(value: float) -> float:
    return round(value, 3)


def _rounded_up(rate: float) -> float:
    """Two significant digits, never promising more than was shown."""
    digits = 1 - math.floor(math.log10(rate))
    scale = math.pow(10, digits)
    return math.ceil(rate * scale - 1e-6) / scale


def _at_most(failures: int, runs: int, rate: float) -> float:
    """The chance of at most so many failures."""
    return sum(_exactly(count, runs, rate) for count in range(failures + 1))


def _exactly(failures: int, runs: int, rate: float) -> float:
    some = math.pow(rate, failures) * math.pow(1 - rate, runs - failures)
    return math.comb(runs, failures) * some
