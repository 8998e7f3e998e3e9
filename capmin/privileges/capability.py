"""Linux capabilities: names, numbers and masks (include/uapi/linux/capability.h)."""

from collections.abc import Iterable
from typing import NewType

from capmin.errors import UsageError

Capability = NewType("Capability", str)

# Position is the kernel's bit number.
_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
).split()

CAPABILITIES: tuple[Capability, ...] = tuple(Capability(f"CAP_{name}") for name in _NAMES)
"""All 41 capabilities, in the kernel's order: index == bit number."""

_NUMBER = {capability: number for number, capability in enumerate(CAPABILITIES)}

DOCKER_DEFAULT: frozenset[Capability] = frozenset(
    Capability(f"CAP_{name}")
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
        "SYS_CHROOT KILL AUDIT_WRITE"
    ).split()
)
"""What `docker run` grants: moby oci/caps/defaults.go, unchanged from 20.10 to 29."""


def capability(text: str) -> Capability:
    """The capability spelt ``CAP_NET_RAW``, ``NET_RAW`` or ``net_raw``.

    Raises:
        UsageError: there is no capability of that name.
    """
    name = text.strip().upper()
    candidate = Capability(name if name.startswith("CAP_") else f"CAP_{name}")
    if candidate not in _NUMBER:
        raise UsageError(
            f"no such capability: {text!r} (capabilities(7) lists them; for example CAP_NET_RAW)"
        )
    return candidate


def parse_capabilities(text: str) -> frozenset[Capability]:
    """The capabilities in a list separated by commas or spaces; an empty text is the empty set.

    Raises:
        UsageError: one of the names is not a capability.
    """
    return frozenset(capability(word) for word in text.replace(",", " ").split())


def from_mask(mask: int) -> frozenset[Capability]:
    """The capabilities in a 64-bit mask as in ``CapEff:`` of /proc/PID/status; unknown bits are left out."""
    return frozenset(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)


def to_mask(capabilities: Iterable[Capability]) -> int:
    """The 64-bit mask of /proc/PID/status for these capabilities."""
    return sum(1 << _NUMBER[name] for name in set(capabilities))


def number(name: Capability) -> int:
    """The kernel's bit number, 0 to 40."""
    return _NUMBER[name]
