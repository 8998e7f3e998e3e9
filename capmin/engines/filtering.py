"""The filter that a launch gets, and who answers what it notifies: the same for every engine."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from capmin.engines import LaunchSpec, Observe
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.observe.seccomp_notify import Decide
from capmin.privileges import Capability, Syscall
from capmin.privileges.syscall import table
from capmin.seccomp import FLOOR, Action, Rule, SeccompProfile, denial_errno, docker_default, profile_for

_OF_PROCESSES = frozenset({Syscall("execve"), Syscall("exit_group")})


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """A profile for the runtime and, where it notifies, what the notified calls are answered with."""

    profile: SeccompProfile
    decide: Decide | None = None


def observes(spec: LaunchSpec) -> bool:
    """Whether the launch needs a listener: a given profile is launched to the letter, unobserved."""
    return spec.observe is not Observe.NOTHING and spec.seccomp_profile is None


def watchable(capabilities: frozenset[Capability], architecture: str) -> frozenset[Syscall]:
    """What can be watched where it is granted: what is allowed without conditions, above the floor.

    Of the floor runc refuses to notify write (libcontainer/seccomp), and nobody needs to know of the rest.
    """
    return docker_default(capabilities, architecture).allowed_always & table(architecture).keys() - FLOOR


def filter_for(spec: LaunchSpec, grant: Grant, architecture: str, listener_path: Path | None) -> Filter:
    """What a launch is filtered by; ``listener_path`` is needed where it is observed.

    An observed filter notifies what the plain one denies by name; execve, at which the container's final
    credentials are read; and exit_group, which tells how a process ended. Calls that Docker's default allows
    under conditions only, and that are granted, keep the conditions in the kernel: breaking them is denied
    there, unseen.

    Raises:
        EngineError: the launch is observed and there is no path.
    """
    if spec.seccomp_profile is not None:
        return Filter(profile=spec.seccomp_profile)
    base = docker_default(grant.capabilities, architecture)
    if spec.observe is Observe.NOTHING:
        return Filter(profile=_plain(spec, grant, base, architecture))
    if listener_path is None:
        raise EngineError("system calls cannot be observed here: this engine has no listener")
    if spec.observe is Observe.USES:
        used = profile_for(
            grant.syscalls or frozenset(),
            base=base,
            architecture=architecture,
            denied_errno=spec.denied_errno,
            listener_path=str(listener_path),
        )
        return Filter(profile=_with_notified(used, _OF_PROCESSES), decide=base.errno_for)
    plain = _plain(spec, grant, base, architecture)
    if grant.syscalls is None:
        return Filter(profile=_notifying(plain, architecture, listener_path), decide=base.errno_for)
    watched = spec.watched & grant.syscalls
    return Filter(
        profile=_notifying(plain, architecture, listener_path, watched),
        decide=_denials(spec.denied_errno, watched),
    )


def _plain(spec: LaunchSpec, grant: Grant, base: SeccompProfile, architecture: str) -> SeccompProfile:
    if grant.syscalls is None:
        return base
    return profile_for(grant.syscalls, base=base, architecture=architecture, denied_errno=spec.denied_errno)


def _denials(policy: int, watched: frozenset[Syscall]) -> Decide:
    return lambda name, _: None if name in watched else denial_errno(name, policy)


def _notifying(
    plain: SeccompProfile, architecture: str, listener_path: Path, watched: frozenset[Syscall] = frozenset()
) -> SeccompProfile:
    """The same profile, with the watched notified, and all that it nowhere allows instead of denied."""
    denied = table(architecture).keys() - plain.allowed
    allowing = tuple(rule for rule in plain.rules if rule.action is Action.ALLOW)
    profile = replace(plain, rules=allowing, listener_path=str(listener_path))
    return _with_notified(profile, denied | watched | _OF_PROCESSES)


def _with_notified(profile: SeccompProfile, notified: AbstractSet[Syscall]) -> SeccompProfile:
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name not in notified))
        for rule in profile.rules
    )
    last = Rule(names=tuple(sorted(notified)), action=Action.NOTIFY)
    return replace(profile, rules=(*(rule for rule in rules if rule.names), last))
