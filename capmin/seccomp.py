"""The OCI/Docker seccomp document as a value: resolve Docker's default, build from a grant, render, parse.

The document is the one of runtime-spec config-linux.md ("Seccomp") with Docker's additions
(moby profiles/seccomp/seccomp.go): ``archMap``, ``includes``, ``excludes`` and ``comment``.
"""

import errno
import json
import operator
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Self

from capmin.errors import UsageError
from capmin.privileges.capability import Capability
from capmin.privileges.syscall import Syscall, table

FLOOR: frozenset[Syscall] = frozenset(
    Syscall(name)
    for name in (
        "arch_prctl brk capget capset chdir close close_range epoll_ctl epoll_pwait execve exit exit_group "
        "faccessat2 fchown fcntl fstat fstatfs futex getcwd getdents64 getpid getppid getuid mmap mprotect "
        "nanosleep newfstatat openat openat2 prctl read recvfrom rt_sigreturn sched_yield set_tid_address "
        "setgid setgroups setuid sigaltstack statx tgkill write"
    ).split()
)
"""What runc itself calls between loading the filter and starting the program: always granted.

The base profile runc-v1.4.2 of security-profiles-operator; ``exit``, which together with ``exit_group`` is
never to be denied (a denied exit loops for ever); and ``fchown``, with which runc hands stdin, stdout and
stderr to a user other than root.

Measured with runc 1.1.5 by notifying every call but write, which cannot be: 20 calls in each of 700 launches
(root, www-data, root without capabilities), fchown in each of www-data's, and futex, rt_sigreturn and
sched_yield (3 of 500) as timing has it. Of 1,500 launches with 16 at a time on two cores none made any other
call than these 42 (tests/benchmarks/floor.py repeats it).
"""

SECCOMP_ARCHITECTURE: Mapping[str, str] = {"x86_64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}
_GO_ARCHITECTURE = {"x86_64": "amd64", "arm64": "arm64"}


class Action(StrEnum):
    """What the kernel does with a call; the names are libseccomp's."""

    ALLOW = "SCMP_ACT_ALLOW"
    ERRNO = "SCMP_ACT_ERRNO"
    NOTIFY = "SCMP_ACT_NOTIFY"
    LOG = "SCMP_ACT_LOG"
    TRACE = "SCMP_ACT_TRACE"
    TRAP = "SCMP_ACT_TRAP"
    KILL = "SCMP_ACT_KILL"
    KILL_THREAD = "SCMP_ACT_KILL_THREAD"
    KILL_PROCESS = "SCMP_ACT_KILL_PROCESS"


_COMPARE = {
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_GE": operator.ge,
    "SCMP_CMP_GT": operator.gt,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A condition on one argument of a call, all unsigned 64-bit values."""

    index: int
    value: int
    value_two: int = 0
    op: str

    def holds(self, arguments: tuple[int, ...]) -> bool:
        actual = arguments[self.index]
        if self.op == "SCMP_CMP_MASKED_EQ":
            return actual & self.value == self.value_two
        return bool(_COMPARE[self.op](actual, self.value))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What happens to some calls, under all of the conditions given."""

    names: tuple[Syscall, ...]
    action: Action
    errno: int | None = None
    conditions: tuple[Comparison, ...] = ()
    comment: str = ""

    def applies(self, name: Syscall, arguments: tuple[int, ...]) -> bool:
        return name in self.names and all(condition.holds(arguments) for condition in self.conditions)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeccompProfile:
    """A resolved profile: no condition on capability, architecture or kernel is left in it."""

    default_action: Action
    default_errno: int = errno.EPERM
    architectures: tuple[str, ...]
    rules: tuple[Rule, ...] = field(default=())
    listener_path: str | None = None

    @property
    def allowed(self) -> frozenset[Syscall]:
        """The calls allowed, be it under conditions."""
        return frozenset(name for rule in self.rules if rule.action is Action.ALLOW for name in rule.names)

    @property
    def allowed_always(self) -> frozenset[Syscall]:
        """The calls allowed under no condition."""
        return frozenset(
            name
            for rule in self.rules
            if rule.action is Action.ALLOW and not rule.conditions
            for name in rule.names
        )

    def errno_for(self, name: Syscall, arguments: tuple[int, ...]) -> int | None:
        """The errno that this profile answers a call with, or None where the call goes ahead."""
        for rule in self.rules:
            if rule.applies(name, arguments):
                return None if rule.action is Action.ALLOW else self._errno(rule)
        return None if self.default_action is Action.ALLOW else self.default_errno

    def _errno(self, rule: Rule) -> int:
        return self.default_errno if rule.errno is None else rule.errno

    def to_oci(self) -> dict[str, Any]:
        """The ``linux.seccomp`` object of an OCI config.json."""
        document: dict[str, Any] = {
            "defaultAction": self.default_action.value,
            "architectures": list(self.architectures),
            "syscalls": [_rule_document(rule) for rule in self.rules],
        }
        if self.default_action is Action.ERRNO:
            document["defaultErrnoRet"] = self.default_errno
        if self.listener_path is not None:
            document["listenerPath"] = self.listener_path
        return document

    def to_docker(self) -> dict[str, Any]:
        """The document for ``docker run --security-opt seccomp=``; OCI's, with comments."""
        document = self.to_oci()
        for rule, entry in zip(self.rules, document["syscalls"], strict=True):
            if rule.comment:
                entry["comment"] = rule.comment
        return document

    @classmethod
    def from_oci(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_oci` and, for profiles without includes and excludes, of `to_docker`."""
        return cls(
            default_action=Action(document["defaultAction"]),
            default_errno=document.get("defaultErrnoRet", errno.EPERM),
            architectures=tuple(document.get("architectures", ())),
            rules=tuple(_parse_rule(entry) for entry in document.get("syscalls") or ()),
            listener_path=document.get("listenerPath"),
        )


def docker_default(capabilities: Iterable[Capability], architecture: str) -> SeccompProfile:
    """Docker's default profile, resolved as its daemon does for a container with these capabilities.

    Source: setupSeccomp in moby profiles/seccomp/seccomp_linux.go.
    """
    return resolve_docker(_docker_default_document(), frozenset(capabilities), architecture)


def resolve_docker(
    document: Mapping[str, Any], capabilities: frozenset[Capability], architecture: str
) -> SeccompProfile:
    """A profile in Docker's own dialect, resolved for one container on one architecture.

    Raises:
        UsageError: the document is not a seccomp profile.
    """
    try:
        resolved = {key: value for key, value in document.items() if key not in ("archMap", "syscalls")}
        resolved["architectures"] = _architectures(document, architecture)
        resolved["syscalls"] = [
            entry for entry in document.get("syscalls") or () if _included(entry, capabilities, architecture)
        ]
        return SeccompProfile.from_oci(resolved)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"not a seccomp profile: {error}") from error


def profile_for(
    syscalls: Iterable[Syscall],
    *,
    base: SeccompProfile,
    architecture: str,
    denied_errno: int,
    listener_path: str | None = None,
) -> SeccompProfile:
    """The filter that grants the floor and these calls, under the conditions that ``base`` puts on them.

    Every other call of the architecture is denied by name: with an errno of its own, because Docker 20.10
    drops ``defaultErrnoRet``, and because runc answers ENOSYS to every call numbered above the highest one
    named (libcontainer/seccomp/patchbpf/enosys_linux.go). With a ``listener_path`` the denied calls are
    notified there instead, and the listener answers.
    """
    granted = frozenset(syscalls)
    free = (FLOOR | granted) & table(architecture).keys() - _conditional(base)
    denied = table(architecture).keys() - FLOOR - granted
    allow = [
        Rule(names=tuple(sorted(free & FLOOR)), action=Action.ALLOW, comment="needed by the runtime itself"),
        Rule(names=tuple(sorted(free - FLOOR)), action=Action.ALLOW, comment="needed by the tests"),
        *(narrowed for rule in base.rules if (narrowed := _narrowed(rule, granted)) is not None),
    ]
    profile = SeccompProfile(
        default_action=Action.ERRNO,
        default_errno=denied_errno,
        architectures=(SECCOMP_ARCHITECTURE[architecture],),
        listener_path=listener_path,
    )
    if listener_path is None:
        deny = _denials(denied, denied_errno)
    else:
        deny = [Rule(names=tuple(sorted(denied)), action=Action.NOTIFY)]
    return replace(profile, rules=tuple(rule for rule in (*allow, *deny) if rule.names))


def denial_errno(name: Syscall, policy: int) -> int:
    """The errno with which a denied call is answered under an errno policy.

    glibc falls back from clone3 to clone on ENOSYS only, so that one never gets another.
    """
    return errno.ENOSYS if name == "clone3" else policy


def unconfined(architecture: str) -> SeccompProfile:
    """The profile that lets everything through."""
    return SeccompProfile(default_action=Action.ALLOW, architectures=(SECCOMP_ARCHITECTURE[architecture],))


def _denials(denied: Iterable[Syscall], policy: int) -> list[Rule]:
    """One rule for each errno, the policy's own first."""
    by_errno: dict[int, list[Syscall]] = {policy: []}
    for name in sorted(denied):
        by_errno.setdefault(denial_errno(name, policy), []).append(name)
    return [
        Rule(
            names=tuple(names),
            action=Action.ERRNO,
            errno=code,
            comment=f"denied with {errno.errorcode[code]}",
        )
        for code, names in by_errno.items()
    ]


def _conditional(base: SeccompProfile) -> frozenset[Syscall]:
    """Calls that the base allows only under conditions on their arguments."""
    free = {
        name
        for rule in base.rules
        if not rule.conditions
        for name in rule.names
        if rule.action is Action.ALLOW
    }
    return base.allowed - free


def _narrowed(rule: Rule, granted: frozenset[Syscall]) -> Rule | None:
    """The part of a conditional ALLOW rule that is about calls granted."""
    names = tuple(name for name in rule.names if name in granted)
    if rule.action is not Action.ALLOW or not rule.conditions or not names:
        return None
    return replace(rule, names=names, comment="conditions of Docker's default profile")


@cache
def _docker_default_document() -> Mapping[str, Any]:
    text = resources.files("capmin").joinpath("data/docker-default-seccomp.json").read_text()
    document: Mapping[str, Any] = json.loads(text)
    return document


def _architectures(document: Mapping[str, Any], architecture: str) -> list[str]:
    for entry in document.get("archMap") or ():
        if entry["architecture"] == SECCOMP_ARCHITECTURE[architecture]:
            return [entry["architecture"], *(entry.get("subArchitectures") or ())]
    return list(document.get("architectures") or (SECCOMP_ARCHITECTURE[architecture],))


def _included(entry: Mapping[str, Any], capabilities: frozenset[Capability], architecture: str) -> bool:
    """Whether the daemon keeps an entry; excludes are alternatives, includes all must hold."""
    excludes, includes = entry.get("excludes") or {}, entry.get("includes") or {}
    arch = _GO_ARCHITECTURE[architecture]
    if arch in (excludes.get("arches") or ()) or capabilities.intersection(excludes.get("caps") or ()):
        return False
    if "minKernel" in excludes and _kernel_at_least(excludes["minKernel"]):
        return False
    if includes.get("arches") and arch not in includes["arches"]:
        return False
    if not capabilities.issuperset(includes.get("caps") or ()):
        return False
    return "minKernel" not in includes or _kernel_at_least(includes["minKernel"])


def _kernel_at_least(version: str) -> bool:
    release = platform.release() if os.name == "posix" else "0.0"
    running = tuple(int(part) for part in release.split("-")[0].split(".")[:2])
    return running >= tuple(int(part) for part in version.split("."))


def _rule_document(rule: Rule) -> dict[str, Any]:
    entry: dict[str, Any] = {"names": list(rule.names), "action": rule.action.value}
    if rule.errno is not None:
        entry["errnoRet"] = rule.errno
    if rule.conditions:
        entry["args"] = [
            {"index": arg.index, "value": arg.value, "valueTwo": arg.value_two, "op": arg.op}
            for arg in rule.conditions
        ]
    return entry


def _parse_rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        names=tuple(Syscall(name) for name in entry.get("names") or (entry["name"],)),
        action=Action(entry["action"]),
        errno=entry.get("errnoRet"),
        conditions=tuple(
            Comparison(index=arg["index"], value=arg["value"], value_two=arg.get("valueTwo", 0), op=arg["op"])
            for arg in entry.get("args") or ()
        ),
        comment=entry.get("comment", ""),
    )
