"""What the daemon is asked to create: the words of docker run, as its API takes them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docker.types import Healthcheck, HostConfig, LogConfig

from capmin.engines import MEMORY_LIMIT_BYTES, PIDS_LIMIT, UNPRIVILEGED_PORT_START, Image
from capmin.engines.docker.daemon import Daemon
from capmin.privileges import Capability
from capmin.scenario import Command
from capmin.seccomp import SeccompProfile


def host_config(
    daemon: Daemon, capabilities: Iterable[Capability], profile: SeccompProfile | None
) -> HostConfig:
    """A container on a network of its own; without a profile the daemon's default filter applies."""
    return daemon.client.create_host_config(
        network_mode="none",
        sysctls=_sysctls(daemon),
        security_opt=[] if profile is None else [f"seccomp={json.dumps(profile.to_docker())}"],
        **_always(capabilities),
    )


def sidecar_host_config(daemon: Daemon, capabilities: Iterable[Capability], neighbour: str) -> HostConfig:
    """A container with nothing held back, on the network of another one."""
    return daemon.client.create_host_config(
        network_mode=f"container:{neighbour}",
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        **_always(capabilities),
    )


def container_config(
    daemon: Daemon, image: Image, argv: Command | None, labels: Mapping[str, str], host: HostConfig
) -> dict[str, Any]:
    """Input closed, no terminal, and none of the image's health checks, which would run beside the test."""
    config: dict[str, Any] = daemon.client.create_container_config(
        image.handle,
        # Without an argv both are empty, and the daemon takes the image's own.
        command=list(argv[1:]) if argv else [],
        entrypoint=[argv[0]] if argv else None,
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
