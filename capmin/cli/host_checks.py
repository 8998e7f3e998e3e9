"""What `capmin doctor` looks at: each thing tried, and what to do about it where it is missing."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from capmin.engines import host
from capmin.engines.checkup import Checkup, check_engine
from capmin.engines.registry import ENGINES
from capmin.observe import capability_trace, notify_abi
from capmin.observe.status import ceiling_of
from capmin.privileges import Capability
from capmin.privileges.capability import CAPABILITIES


class State(StrEnum):
    OK = "ok"
    LIMITED = "limited"
    """capmin works, with less."""
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing: how it is, and what to do about it where it is not ok."""

    group: str
    name: str
    state: State
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """Everything that was looked at. ``ceiling`` is what this process can hand on."""

    checks: tuple[Check, ...]
    engines: tuple[Checkup, ...]
    ceiling: frozenset[Capability]

    @property
    def searching(self) -> tuple[str, ...]:
        """The engines that can search here."""
        return tuple(engine.engine for engine in self.engines if engine.problem is None)


def examine() -> Diagnosis:
    """Look at everything; takes about a second, more where a Docker daemon lacks capabilities."""
    ceiling = ceiling_of(os.getpid())
    engines = tuple(check_engine(name) for name in sorted(ENGINES, reverse=True))
    groups = (_host(ceiling), (_engine(found, ceiling) for found in engines), _observers(), _programs())
    return Diagnosis(
        checks=tuple(check for group in groups for check in group), engines=engines, ceiling=ceiling
    )


def _check(group: str, name: str, detail: str, problem: tuple[State, str | None] | None) -> Check:
    state, remedy = (State.OK, None) if problem is None else problem
    return Check(group=group, name=name, state=state, detail=detail, remedy=remedy)


def _host(ceiling: frozenset[Capability]) -> Iterator[Check]:
    yield _check("host", "kernel", host.kernel(), None)
    root = os.geteuid() == 0
    yield _check(
        "host",
        "root",
        "yes" if root else f"no, user {os.geteuid()}",
        None if root else (State.LIMITED, "run capmin with sudo: without root only the docker engine works"),
    )
    if root:
        yield _ceiling(ceiling)
    groups = host.control_groups()
    none = (State.MISSING, "mount the control groups: containers cannot be limited without them")
    yield _check("host", "control groups", groups, none if groups == "none" else None)
    if root:
        yield _overlay()


def _ceiling(ceiling: frozenset[Capability]) -> Check:
    missing = [name for name in CAPABILITIES if name not in ceiling]
    count = f"{len(ceiling)} of {len(CAPABILITIES)} capabilities"
    if not missing:
        return _check("host", "ceiling", count, None)
    words = "capmin cannot hand on what it does not have: run it where they are there to search for them"
    return _check("host", "ceiling", f"{count}; without {' '.join(missing)}", (State.LIMITED, words))


def _overlay() -> Check:
    reason = host.why_no_overlay()
    remedy = "modprobe overlay; in a container, give it --privileged: the runc engine needs it"
    return _check(
        "host",
        "overlay on tmpfs",
        reason or "mounts, and takes writes",
        None if reason is None else (State.LIMITED, remedy),
    )


_INSTALL = {
    "docker": ("dockerd", "apt install docker.io and start it, or name another daemon by DOCKER_HOST"),
    "runc": ("runc", "apt install runc"),
}


def _engine(found: Checkup, ceiling: frozenset[Capability]) -> Check:
    if found.problem is not None:
        detail, _, advice = found.problem.partition("\n")
        program, install = _INSTALL[found.engine]
        if host.program(program) is None:
            advice = install
        return _check("engine", found.engine, detail, (State.MISSING, advice or None))
    detail = found.version
    if found.ceiling != ceiling:
        without = " ".join(name for name in CAPABILITIES if name not in found.ceiling)
        detail += f", gives all capabilities but {without}" if without else ", gives all capabilities"
    if found.observes_syscalls:
        return _check("engine", found.engine, f"{detail}, shows denied system calls", None)
    words = "system calls are searched blindly: that needs Docker 23 or runc 1.1, or later, on this machine"
    return _check("engine", found.engine, f"{detail}, does not show system calls", (State.LIMITED, words))


def _observers() -> Iterator[Check]:
    supported = notify_abi.is_supported()
    yield _check(
        "observer",
        "system calls",
        "seccomp user notification" if supported else "no seccomp user notification",
        None if supported else (State.LIMITED, "use Linux 5.5 or later: until then the search is blind"),
    )
    reason = capability_trace.available()
    yield _check(
        "observer",
        "capabilities",
        reason or "tracepoint capability:cap_capable",
        None if reason is None else (State.LIMITED, "capabilities are searched blindly, which is cheap"),
    )


_PROGRAMS = {
    "skopeo": "apt install skopeo: the runc engine fetches images with it",
    "umoci": "apt install umoci: the runc engine unpacks images with it",
    "mmdebstrap": "apt install mmdebstrap: the workloads' images are built with it",
}


def _programs() -> Iterator[Check]:
    for name, remedy in _PROGRAMS.items():
        found = host.program(name)
        if found is None:
            yield _check("program", name, "not on PATH", (State.LIMITED, remedy))
        else:
            yield _check("program", name, f"{found.version} ({found.path})", None)
