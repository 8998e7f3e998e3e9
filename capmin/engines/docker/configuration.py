"""What the daemon is asked to create: the words of docker run, as its API takes them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docker import types
from docker.types import Healthcheck, HostConfig, LogConfig

from capmin.engines import (
    MEMORY_LIMIT_BYTES,
    PIDS_LIMIT,
    UNPRIVILEGED_PORT_START,
    LaunchSpec,
    Mount,
    Volume,
)
from capmin.engines.docker.daemon import Daemon
from capmin.privileges import Capability
from capmin.seccomp import SeccompProfile


def host_config(
    daemon: Daemon,
    spec: LaunchSpec,
    capabilities: Iterable[Capability],
    profile: SeccompProfile | None,
    neighbour: str | None = None,
) -> HostConfig:
    """A container on a network of its own, or a neighbour's; without a profile the default filter applies."""
    # On a neighbour's network are its settings and names, and the daemon takes no others.
    network: dict[str, Any] = {"network_mode": f"container:{neighbour}"}
    if neighbour is None:
        names = dict.fromkeys(spec.names, "127.0.0.1")
        network = {"network_mode": "none", "sysctls": _sysctls(daemon), "extra_hosts": names}
    return daemon.client.create_host_config(
        security_opt=[] if profile is None else [f"seccomp={json.dumps(profile.to_docker())}"],
        **network,
        **_mounts(spec),
        **_always(capabilities),
    )


def sidecar_host_config(
    daemon: Daemon, spec: LaunchSpec, capabilities: Iterable[Capability], neighbour: str
) -> HostConfig:
    """A container with nothing held back, on the network of another one."""
    return daemon.client.create_host_config(
        network_mode=f"container:{neighbour}",
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        **_mounts(spec),
        **_always(capabilities),
    )


def _mounts(spec: LaunchSpec) -> dict[str, Any]:
    """As for docker run's ``--mount``, and ``--tmpfs`` for what has no source."""
    return {
        "mounts": [_mount(mount, mount.source) for mount in spec.mounts if mount.source is not None],
        "tmpfs": {mount.target: "ro" if mount.read_only else "" for mount in spec.mounts if not mount.source},
    }


def _mount(mount: Mount, source: Volume | Path) -> types.Mount:
    if isinstance(source, Volume):
        return types.Mount(mount.target, source.handle, type="volume", read_only=mount.read_only)
    return types.Mount(mount.target, str(source.resolve()), type="bind", read_only=mount.read_only)


def container_config(
    daemon: Daemon, spec: LaunchSpec, labels: Mapping[str, str], host: HostConfig
) -> dict[str, Any]:
    """Input closed, no terminal, and none of the image's health checks, which would run beside the test."""
    argv = spec.argv
    config: dict[str, Any] = daemon.client.create_container_config(
        spec.image.handle,
        # Where they are empty, the daemon takes the image's own.
        command=list(argv[1:]) if argv else list(spec.arguments),
        entrypoint=[argv[0]] if argv else None,
        environment=list(spec.environment),
        user=spec.user,
        labels=dict(labels),
        host_config=host,
        healthcheck=Healthcheck(test=["NONE"]),
    )
    return config


def _sysctls(daemon: Daemon) -> dict[str, str]:
    sysctls = {"net.ipv4.ip_unprivileged_port_start": str(UNPRIVILEGED_PORT_START)}
    # Without a network, Docker 20.10 leaves IPv6 off and 26 has it on (measured): off is what all engines do.
    # A kernel without IPv6 refuses the names, and what a remote host has cannot be told.
    if daemon.is_local and Path("/proc/sys/net/ipv6").exists():
        sysctls |= {f"net.ipv6.conf.{name}.disable_ipv6": "1" for name in ("all", "default", "lo")}
    return sysctls


def _always(capabilities: Iterable[Capability]) -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        "cap_add": sorted(capabilities),
        "mem_limit": MEMORY_LIMIT_BYTES,
        "memswap_limit": MEMORY_LIMIT_BYTES,
        "pids_limit": PIDS_LIMIT,
        "init": False,
        # All that it writes is read through the attached connection: nothing grows on the daemon's disk.
        "log_config": LogConfig(type="none"),
    }
