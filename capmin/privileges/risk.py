"""How much a capability gives an attacker who takes the container over: the order in which they are tried away.

Three grades, from three sources: capabilities(7), "Notes to kernel developers" and the single entries; grsecurity
forums, B. Spengler, "False Boundaries and Arbitrary Code Execution" (2011), which shows for 19 of the then 35
capabilities how full privileges follow; and Docker's choice of the defaults (moby oci/caps/defaults.go).
"""

from collections.abc import Mapping
from types import MappingProxyType

from capmin.privileges.capability import CAPABILITIES, Capability

_GRADES = (
    # The whole host, by design: modules, raw devices, mounts, other processes, programs in the kernel.
    (100, "SYS_ADMIN SYS_MODULE SYS_RAWIO SYS_PTRACE BPF MAC_ADMIN MAC_OVERRIDE SYS_BOOT"),
    # Files or credentials past every permission; with a way out of the file system, the host.
    (60, "DAC_OVERRIDE SETUID SETGID SETFCAP MKNOD CHOWN FOWNER SYS_CHROOT DAC_READ_SEARCH NET_ADMIN"),
    (40, "PERFMON CHECKPOINT_RESTORE SYSLOG SETPCAP AUDIT_CONTROL LINUX_IMMUTABLE NET_RAW KILL IPC_OWNER FSETID"),
    # Denial of service, or a single resource.
    (
        10,
        "SYS_TIME SYS_RESOURCE SYS_NICE SYS_PACCT SYS_TTY_CONFIG IPC_LOCK LEASE AUDIT_WRITE AUDIT_READ WAKE_ALARM "
        "BLOCK_SUSPEND NET_BROADCAST NET_BIND_SERVICE",
    ),
)

CAPABILITY_RISK: Mapping[Capability, int] = MappingProxyType(
    {Capability(f"CAP_{name}"): grade for grade, names in _GRADES for name in names.split()}
)
"""0 to 100 for each of the 41; only the order matters, and it is a judgement."""


def riskiest_first(capabilities: frozenset[Capability]) -> tuple[Capability, ...]:
    """In the order in which a search should try to take them away; the kernel's order among equals."""
    return tuple(
        sorted(
            (name for name in CAPABILITIES if name in capabilities),
            key=CAPABILITY_RISK.__getitem__,
            reverse=True,
        )
    )
