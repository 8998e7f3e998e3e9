"""The filter that a launch gets, and who answers what it notifies: the same for every engine."""

from dataclasses import dataclass, replace
from pathlib import Path

from capmin.engines import LaunchSpec, Observe
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.observe.seccomp_notify import Decide
from capmin.privileges import Syscall
from capmin.privileges.syscall import table
from capmin.seccomp import Action, Rule, SeccompProfile, denial_errno, docker_default, profile_for

_EXECVE = Syscall("execve")


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """A profile for the runtime and, where it notifies, what the notified calls are answered with."""

    profile: SeccompProfile
    decide: Decide | None = None


def observes(spec: LaunchSpec) -> bool:
    """Whether the launch needs a listener: a given profile is launched to the letter, unobserved."""
    return spec.observe is not Observe.NOTHING and spec.seccomp_profile is None


def filter_for(spec: LaunchSpec, grant: Grant, architecture: str, listener_path: Path | None) -> Filter:
    """What a launch is filtered by; ``listener_path`` is needed where it is observed.

    An observed filter notifies what the plain one denies by name, and execve, at which the container's
    final credentials are read. Calls that Docker's default allows under conditions only, and that are
    granted, keep the conditions in the kernel: breaking them is denied there, unseen.

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
        return Filter(profile=_with_execve_notified(used), decide=base.errno_for)
    plain = _plain(spec, grant, base, architecture)
    decide = base.errno_for if grant.syscalls is None else _denials(spec.denied_errno)
    return Filter(profile=_notifying(plain, architecture, listener_path), decide=decide)


def _plain(spec: LaunchSpec, grant: Grant, base: SeccompProfile, architecture: str) -> SeccompProfile:
    if grant.syscalls is None:
        return base
    return profile_for(grant.syscalls, base=base, architecture=architecture, denied_errno=spec.denied_errno)


def _denials(policy: int) -> Decide:
    return lambda name, _: denial_errno(name, policy)


def _notifying(plain: SeccompProfile, architecture: str, listener_path: Path) -> SeccompProfile:
    """The same profile, with everything that it nowhere allows notified instead of denied."""
    denied = table(architecture).keys() - plain.allowed
    rules = (rule for rule in plain.rules if rule.action is Action.ALLOW)
    notified = Rule(names=tuple(sorted(denied)), action=Action.NOTIFY)
    return _with_execve_notified(replace(plain, rules=(*rules, notified), listener_path=str(listener_path)))


def _with_execve_notified(profile: SeccompProfile) -> SeccompProfile:
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name != _EXECVE)) for rule in profile.rules
    )
    return replace(
        profile,
        rules=(
            *(rule for rule in rules if rule.names),
            Rule(names=(_EXECVE,), action=Action.NOTIFY),
        ),
    )
