"""How much a grant exposes: its privileges weighted by what is known of them, before and after.

The score orders grants; it is no probability, and no promise of safety. A capability weighs as much as its
grade of risk (`capmin.privileges.risk`, 10 to 60), and 2,000 where that is the highest: one of those is the
whole host, and worth more than all that Docker grants. A system call weighs 1, for the kernel code behind it;
5 more where Docker's default profile blocks it (``data/docker-default-seccomp.json``); and 3 more for each
published flaw that was reached through it (``data/kernel-cves.json``), up to five of them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from capmin.frames.columns import CATEGORY, FLAG, INTEGER, TEXT, Column, Table, typed
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.risk import CAPABILITY_RISK, CAPABILITY_USE
from capmin.profile import Profile
from capmin.seccomp import docker_default

HOST_GRADE, HOST_WEIGHT = 100, 2_000
CALL_WEIGHT, BLOCKED_WEIGHT, FLAW_WEIGHT, MOST_FLAWS = 1, 5, 3, 5

EXPOSURE: Table = {
    "campaign": Column(dtype=CATEGORY, about="which campaign"),
    "kind": Column(dtype=pd.CategoricalDtype(["capability", "syscall"]), about="capability or syscall"),
    "privilege": Column(dtype=TEXT, about="what is granted, before or after"),
    "weight": Column(dtype=INTEGER, about="what it adds to the score"),
    "before": Column(dtype=FLAG, about="Docker grants it by default"),
    "after": Column(dtype=FLAG, about="the answer grants it, for the program or for the runtime"),
    "blocked": Column(dtype=FLAG, about="a system call that Docker's default profile blocks"),
    "flaws": Column(dtype=TEXT, about="set: the published flaws that were reached through it"),
    "why": Column(dtype=TEXT, about="what makes it weigh, in a line"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Flaw:
    """A published flaw of the kernel, reached through all of these system calls together.

    ``capability`` is what the calls ask for, in whatever user namespace; ``sources`` are addresses.
    """

    identifier: str
    subsystem: str
    what: str
    syscalls: frozenset[Syscall]
    capability: Capability | None
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposed:
    """What is granted, and what it weighs."""

    capabilities: frozenset[Capability]
    syscalls: frozenset[Syscall]
    architecture: str

    @property
    def capability_score(self) -> int:
        return sum(capability_weight(name) for name in self.capabilities)

    @property
    def syscall_score(self) -> int:
        return sum(syscall_weight(name, self.architecture) for name in self.syscalls)

    @property
    def score(self) -> int:
        return self.capability_score + self.syscall_score

    @property
    def doors(self) -> tuple[Flaw, ...]:
        """The flaws of the list whose system calls are all granted, and the capability, where one is needed.

        A program that may make user namespaces of its own (``unshare``) has every capability there.
        """
        return tuple(
            flaw
            for flaw in flaws()
            if flaw.syscalls <= self.syscalls
            and (
                flaw.capability is None or flaw.capability in self.capabilities or "unshare" in self.syscalls
            )
        )


@cache
def flaws() -> tuple[Flaw, ...]:
    """The list of published flaws, oldest first."""
    text = resources.files("capmin").joinpath("data/kernel-cves.json").read_text(encoding="utf-8")
    return tuple(
        Flaw(
            identifier=entry["id"],
            subsystem=entry["subsystem"],
            what=entry["what"],
            syscalls=frozenset(map(Syscall, entry["syscalls"])),
            capability=None if entry["capability"] is None else Capability(entry["capability"]),
            sources=tuple(entry["sources"]),
        )
        for entry in json.loads(text)["cves"]
    )


@cache
def before(architecture: str) -> Exposed:
    """What ``docker run`` grants without being asked."""
    return Exposed(
        capabilities=DOCKER_DEFAULT,
        syscalls=docker_default(DOCKER_DEFAULT, architecture).allowed,
        architecture=architecture,
    )


def after(result: Mapping[str, Any]) -> Exposed:
    """What the profile of a result grants; what was not searched is as Docker has it.

    Raises:
        UsageError: it is not a result document.
    """
    profile = Profile.from_result(result)
    capabilities = DOCKER_DEFAULT if profile.capabilities is None else profile.capabilities
    syscalls = profile.syscalls
    if syscalls is None:
        syscalls = docker_default(capabilities, profile.architecture).allowed
    return Exposed(capabilities=capabilities, syscalls=syscalls, architecture=profile.architecture)


def capability_weight(name: Capability) -> int:
    """What one capability adds to the score."""
    grade = CAPABILITY_RISK[name]
    return HOST_WEIGHT if grade == HOST_GRADE else grade


def syscall_weight(name: Syscall, architecture: str) -> int:
    """What one system call adds to the score."""
    known = min(_flaw_counts()[name], MOST_FLAWS)
    blocked = BLOCKED_WEIGHT if is_blocked(name, architecture) else 0
    return CALL_WEIGHT + blocked + FLAW_WEIGHT * known


def is_blocked(name: Syscall, architecture: str) -> bool:
    """Whether Docker's default profile blocks a system call where the default capabilities are granted."""
    return name not in before(architecture).syscalls


def exposure_frame(results: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row a privilege that is granted before or after, by campaign (`EXPOSURE`).

    Raises:
        UsageError: one of them is not a result document.
    """
    rows = [row for name, result in results.items() for row in _rows(name, result)]
    return typed(pd.DataFrame(rows, columns=list(EXPOSURE)), EXPOSURE)


def _rows(campaign: str, result: Mapping[str, Any]) -> Iterable[dict[str, object]]:
    now = after(result)
    usual = before(now.architecture)
    for capability in sorted(usual.capabilities | now.capabilities):
        yield {
            "kind": "capability",
            "weight": capability_weight(capability),
            "blocked": None,
            "flaws": "",
            "why": CAPABILITY_USE[capability],
            **_sides(campaign, capability, usual.capabilities, now.capabilities),
        }
    for syscall in sorted(usual.syscalls | now.syscalls):
        yield {
            "kind": "syscall",
            "weight": syscall_weight(syscall, now.architecture),
            "blocked": is_blocked(syscall, now.architecture),
            "flaws": " ".join(flaw.identifier for flaw in flaws() if syscall in flaw.syscalls),
            "why": _why(syscall, now.architecture),
            **_sides(campaign, syscall, usual.syscalls, now.syscalls),
        }


def _sides(
    campaign: str, privilege: Privilege, usual: frozenset[Any], now: frozenset[Any]
) -> dict[str, object]:
    return {
        "campaign": campaign,
        "privilege": privilege,
        "before": privilege in usual,
        "after": privilege in now,
    }


def _why(name: Syscall, architecture: str) -> str:
    reasons = ["Docker blocks it by default"] if is_blocked(name, architecture) else []
    known = _flaw_counts()[name]
    if known:
        latest = [flaw.identifier for flaw in flaws() if name in flaw.syscalls][-1]
        reasons.append(f"{known} published flaw{'s' if known > 1 else ''}, the latest {latest}")
    return "; ".join(reasons) or "the kernel code behind it"


@cache
def _flaw_counts() -> Counter[Syscall]:
    return Counter(name for flaw in flaws() for name in flaw.syscalls)
