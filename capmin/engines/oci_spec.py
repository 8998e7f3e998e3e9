"""The OCI config.json of a launch: the environment that Docker gives, written down.

Taken from what dockerd 20.10.24 hands to runc for ``docker run --network none``, and moby oci/defaults.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capmin.engines import MEMORY_LIMIT_BYTES, PIDS_LIMIT, UNPRIVILEGED_PORT_START, Mount, Volume
from capmin.engines.oci_user import User
from capmin.privileges import Capability
from capmin.seccomp import SeccompProfile

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The last one since Docker 24.0.7 and 25 (CVE-2020-8694); a path that does not exist is passed over.
_MASKED_PATHS = [
    "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
]  # fmt: skip
_READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

# destination, type, source, options
_MOUNTS = (
    ("/proc", "proc", "proc", "nosuid noexec nodev"),
    ("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    ("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
    ("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
    ("/sys/fs/cgroup", "cgroup", "cgroup", "ro nosuid noexec nodev"),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
    ("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=67108864"),  # noqa: S108 (the container's)
)
_ETC = ("resolv.conf", "hostname", "hosts")
# zero, null, urandom, random, tty, console; runc adds what every container has, and fuse stays out.
_CHARACTER_DEVICES = ((1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1))
_FUSE = (10, 229)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """What a container's config.json is made from.

    ``environment`` and ``argv`` are final but for Docker's own variables; ``etc`` is the host directory that
    holds resolv.conf, hostname and hosts. ``network_namespace`` is a path where it is shared. Without
    ``seccomp`` the container is unconfined. ``cgroup`` has no leading slash.
    """

    root: Path
    etc: Path
    hostname: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    working_dir: str
    user: User
    capabilities: frozenset[Capability]
    seccomp: SeccompProfile | None
    cgroup: str
    network_namespace: str | None = None
    mounts: tuple[Mount, ...] = ()
    annotations: Mapping[str, str]


def config(bundle: Bundle, host: "Host") -> dict[str, Any]:
    """The document for runc.

    Resource limits (RLIMIT_*) are left out as Docker does, so that they are those of this process; a daemon
    started by systemd has other ones than a shell.
    """
    linux: dict[str, Any] = {
        "sysctl": {} if bundle.network_namespace else _sysctls(host),
        "resources": _resources(host),
        "cgroupsPath": f"/{bundle.cgroup}",
        "namespaces": _namespaces(bundle, host),
        "maskedPaths": _MASKED_PATHS,
        "readonlyPaths": _READ_ONLY_PATHS,
    }
    if bundle.seccomp is not None:
        linux["seccomp"] = bundle.seccomp.to_oci()
    return {
        "ociVersion": "1.0.2",
        "process": _process(bundle),
        "root": {"path": str(bundle.root)},
        "hostname": bundle.hostname,
        "mounts": _mounts(bundle),
        "linux": linux,
        "annotations": dict(bundle.annotations),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """What of the host decides how Docker sets a container up."""

    unified_cgroups: bool
    swap_accounting: bool
    ipv6: bool

    @classmethod
    def detect(cls) -> "Host":
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        return cls(
            unified_cgroups=unified,
            swap_accounting=unified or Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists(),
            ipv6=Path("/proc/sys/net/ipv6").exists(),
        )


def _process(bundle: Bundle) -> dict[str, Any]:
    return {
        "user": {
            "uid": bundle.user.uid,
            "gid": bundle.user.gid,
            "additionalGids": list(bundle.user.groups),
        },
        "args": list(bundle.argv),
        "env": _environment(bundle),
        "cwd": bundle.working_dir or "/",
        "capabilities": _capabilities(bundle),
        "oomScoreAdj": 0,
    }


def _environment(bundle: Bundle) -> list[str]:
    """Docker's variables, overridden by the image's; runc adds HOME from the image's passwd itself."""
    variables = {}
    for entry in (_PATH, f"HOSTNAME={bundle.hostname}", *bundle.environment):
        name, _, value = entry.partition("=")
        variables[name] = value
    return [f"{name}={value}" for name, value in variables.items()]


def _capabilities(bundle: Bundle) -> dict[str, list[str]]:
    """As SetCapabilities in moby oci/oci.go: a user other than root gets the bounding set only."""
    names: list[str] = sorted(bundle.capabilities)
    if bundle.user.uid != 0:
        return {"bounding": names}
    return {"bounding": names, "effective": names, "permitted": names}


def _mounts(bundle: Bundle) -> list[dict[str, Any]]:
    """Docker's mounts, those replaced left out, then the launch's own, the outer ones first."""
    own = {mount.target for mount in bundle.mounts}
    return [
        *(
            {"destination": destination, "type": kind, "source": source, "options": options.split()}
            for destination, kind, source, options in _MOUNTS
            if destination not in own
        ),
        *(
            {
                "destination": f"/etc/{name}",
                "type": "bind",
                "source": str(bundle.etc / name),
                "options": ["rbind", "rprivate"],
            }
            for name in _ETC
        ),
        *(_own_mount(mount) for mount in sorted(bundle.mounts, key=lambda mount: mount.target.count("/"))),
    ]


def _own_mount(mount: Mount) -> dict[str, Any]:
    """As for ``docker run --mount`` and ``--tmpfs`` (moby daemon/oci_linux.go, withMounts)."""
    access = ["ro"] if mount.read_only else []
    if mount.source is None:
        options = ["noexec", "nosuid", "nodev", "rprivate", *access]
        return {"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options}
    source = mount.source.handle if isinstance(mount.source, Volume) else str(mount.source)
    options = ["rbind", "rprivate", *access]
    return {"destination": mount.target, "type": "bind", "source": source, "options": options}


def _namespaces(bundle: Bundle, host: Host) -> list[dict[str, str]]:
    kinds = ["mount", "uts", "pid", "ipc"]
    if host.unified_cgroups:
        # Docker's default on cgroup v2 is a private namespace, on v1 the host's.
        kinds.append("cgroup")
    network = {"type": "network"}
    if bundle.network_namespace is not None:
        network["path"] = bundle.network_namespace
    return [network, *({"type": kind} for kind in kinds)]


def _sysctls(host: Host) -> dict[str, str]:
    """Docker's own, but for the port; its sandbox without IPv6 networks has IPv6 off (libnetwork osl)."""
    sysctls = {
        "net.ipv4.ip_unprivileged_port_start": str(UNPRIVILEGED_PORT_START),
        "net.ipv4.ping_group_range": "0 2147483647",
    }
    if host.ipv6:
        sysctls |= {f"net.ipv6.conf.{name}.disable_ipv6": "1" for name in ("all", "default", "lo")}
    return sysctls


def _resources(host: Host) -> dict[str, Any]:
    memory = {"limit": MEMORY_LIMIT_BYTES}
    if host.swap_accounting:
        # Memory and swap together: none of it is swap.
        memory["swap"] = MEMORY_LIMIT_BYTES
    return {
        "devices": [
            {"allow": False, "access": "rwm"},
            *(_device(numbers, allow=True) for numbers in _CHARACTER_DEVICES),
            _device(_FUSE, allow=False),
        ],
        "memory": memory,
        "pids": {"limit": PIDS_LIMIT},
    }


def _device(numbers: tuple[int, int], *, allow: bool) -> dict[str, Any]:
    major, minor = numbers
    return {"allow": allow, "type": "c", "major": major, "minor": minor, "access": "rwm"}
