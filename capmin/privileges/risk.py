"""How much a capability gives an attacker who takes the container over, and in which order to try them away.

The grades rest on capabilities(7), the single entries and "Notes to kernel developers" (which calls
CAP_SYS_ADMIN "the new root"); on B. Spengler, "False Boundaries and Arbitrary Code Execution"
(forums.grsecurity.net/viewtopic.php?f=7&t=2522, 2011), which shows for 19 of the then 35 how full privileges
follow; and on what Docker leaves out of its defaults (moby oci/caps/defaults.go). The use of each is told as
capabilities(7) has it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from capmin.privileges.capability import CAPABILITIES, Capability

_TABLE: Mapping[int, Mapping[str, str]] = {
    # The whole host, by design: modules, raw devices, mounts, other processes, programs in the kernel.
    100: {
        "SYS_ADMIN": "mount file systems, enter namespaces, and much of what only root can do otherwise",
        "SYS_MODULE": "load code into the kernel",
        "SYS_RAWIO": "reach raw memory and I/O ports",
        "SYS_PTRACE": "read and change other processes",
        "BPF": "load programs into the kernel",
        "MAC_ADMIN": "change the rules of mandatory access control",
        "MAC_OVERRIDE": "override mandatory access control",
        "SYS_BOOT": "reboot, or load another kernel",
    },
    # Files or credentials past every permission; with a way out of the file system, the host.
    60: {
        "DAC_OVERRIDE": "read, write and execute files past their permissions",
        "SETUID": "become any user",
        "SETGID": "become a member of any group",
        "SETFCAP": "give files capabilities of their own",
        "MKNOD": "make device files",
        "CHOWN": "change the owner of any file",
        "FOWNER": "act as the owner of any file",
        "SYS_CHROOT": "change the root directory, and enter mount namespaces",
        "NET_ADMIN": "configure interfaces, routes and firewalls",
    },
    # Reads what DAC_OVERRIDE also writes. Its own way out, open_by_handle_at, is in no searched filter unless
    # the tests need it.
    50: {"DAC_READ_SEARCH": "read any file, also outside the container by open_by_handle_at"},
    40: {
        "PERFMON": "observe the kernel and other processes by performance events",
        "CHECKPOINT_RESTORE": "choose process ids, and read the memory maps of others",
        "SYSLOG": "read the kernel's log, and its addresses",
        "SETPCAP": "change capability sets and secure bits",
        "AUDIT_CONTROL": "change the rules of auditing",
        "LINUX_IMMUTABLE": "set the immutable and append-only attributes",
        "NET_RAW": "open raw and packet sockets: forge and listen",
        "KILL": "signal any process in reach",
        "IPC_OWNER": "use System V objects past their permissions",
        "FSETID": "keep set-user-id bits on files that are changed",
    },
    # Denial of service, or a single resource.
    10: {
        "SYS_TIME": "set the clocks",
        "SYS_RESOURCE": "exceed resource limits",
        "SYS_NICE": "raise priorities, and move others between processors",
        "SYS_PACCT": "switch process accounting",
        "SYS_TTY_CONFIG": "hang up and configure terminals",
        "IPC_LOCK": "lock memory",
        "LEASE": "take leases on any file",
        "AUDIT_WRITE": "write to the audit log",
        "AUDIT_READ": "read the audit log",
        "WAKE_ALARM": "wake the machine",
        "BLOCK_SUSPEND": "keep the machine from suspending",
        "NET_BROADCAST": "unused by the kernel",
        "NET_BIND_SERVICE": "bind ports below 1024",
    },
}

CAPABILITY_RISK: Mapping[Capability, int] = MappingProxyType(
    {Capability(f"CAP_{name}"): grade for grade, uses in _TABLE.items() for name in uses}
)
"""0 to 100 for each of the 41; only the order matters, and it is a judgement."""

CAPABILITY_USE: Mapping[Capability, str] = MappingProxyType(
    {Capability(f"CAP_{name}"): use for uses in _TABLE.values() for name, use in uses.items()}
)
"""What each of the 41 allows, in a few words."""


def riskiest_first(capabilities: frozenset[Capability]) -> tuple[Capability, ...]:
    """In the order in which a search should try to take them away; the kernel's order among equals."""
    return tuple(
        sorted(
            (name for name in CAPABILITIES if name in capabilities),
            key=CAPABILITY_RISK.__getitem__,
            reverse=True,
        )
    )
