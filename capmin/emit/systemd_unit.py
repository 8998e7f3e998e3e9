"""A drop-in for a systemd service that runs the program without a container (systemd.exec(5))."""

import errno

from capmin.emit import ini, provenance
from capmin.privileges import Syscall
from capmin.profile import Profile
from capmin.seccomp import Action, SeccompProfile, denial_errno

_CLONE, _CLONE3, _NEW_NAMESPACES = (
    Syscall("clone"),
    Syscall("clone3"),
    frozenset({"clone3", "setns", "unshare"}),
)


def emit(profile: Profile) -> str:
    """The drop-in's text. systemd itself adds its group @default to what is listed."""
    return (
        provenance.comment(profile)
        + "# Put this file into /etc/systemd/system/UNIT.service.d/. It takes privileges away, and nothing\n"
        + "# else that a container does: files, processes and networks are the host's.\n"
        + "[Service]\n"
        + f"CapabilityBoundingSet={' '.join(sorted(profile.granted))}\n"
        + ("NoNewPrivileges=yes\n" if profile.no_new_privileges else "")
        + _filter(profile)
    )


def _filter(profile: Profile) -> str:
    if profile.required is None:
        return "# System calls were not searched: all are left.\n"
    seccomp = profile.seccomp()
    text = "SystemCallArchitectures=native\n"
    text += f"SystemCallErrorNumber={errno.errorcode[profile.denied_errno]}\n"
    for rule in seccomp.rules:
        if rule.action is Action.ALLOW and not rule.conditions:
            text += f"# {rule.comment}\n" + ini.lines("SystemCallFilter", rule.names)
    return text + _conditional(seccomp) + _other_errno(profile)


def _conditional(seccomp: SeccompProfile) -> str:
    """What is granted under conditions on arguments: systemd cannot tell them, but for those of clone."""
    names = sorted({name for rule in seccomp.rules if rule.conditions for name in rule.names})
    if not names:
        return ""
    text = "# needed by the tests; Docker's conditions on the arguments cannot be told here\n"
    text += ini.lines("SystemCallFilter", names)
    if _CLONE in names and not seccomp.allowed & _NEW_NAMESPACES:
        text += "RestrictNamespaces=yes\n"
    return text


def _other_errno(profile: Profile) -> str:
    """In a list of what is allowed, a call taken out again may have an errno of its own (measured, 252)."""
    code = denial_errno(_CLONE3, profile.denied_errno)
    if code == profile.denied_errno or _CLONE3 in (profile.syscalls or ()):
        return ""
    return (
        f"# glibc falls back to clone on this errno only\nSystemCallFilter=~clone3:{errno.errorcode[code]}\n"
    )
