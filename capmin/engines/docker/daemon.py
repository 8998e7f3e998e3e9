"""Finding a Docker daemon, and what it is: its version, and whether it runs on this very machine."""

import os
import platform
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from capmin.engines.docker.faults import DaemonFault, daemon_faults
from capmin.errors import EngineError

REQUEST_LIMIT_S = 60.0
"""Longer than any request takes on a busy machine; a start takes 0.2 s (docker 20.10 and 26, measured)."""

_FIRST_WITH_LISTENER_PATH = (23, 0)
"""Before, the daemon drops ``listenerPath``, and a filter that notifies hangs for ever (20.10, measured)."""

_ARCHITECTURE = {"amd64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Daemon:
    """A daemon that answers. ``pid`` is that of its process where it runs on this machine, in our sight."""

    client: APIClient
    address: str
    version: str
    architecture: str
    runtime: str
    is_podman: bool
    pid: int | None

    @property
    def is_local(self) -> bool:
        return self.pid is not None

    def sees(self, path: Path) -> bool:
        """Whether the daemon finds the same file at that path: it may have mounts of its own."""
        with suppress(OSError):
            return self.pid is not None and Path(f"/proc/{self.pid}/root{path.resolve()}").samefile(path)
        return False

    @property
    def passes_listener_path(self) -> bool:
        """Whether a filter's ``listenerPath`` reaches runc; not tried with Podman."""
        release = tuple(int(part) for part in re.findall(r"\d+", self.version)[:2])
        return not self.is_podman and self.runtime == "runc" and release >= _FIRST_WITH_LISTENER_PATH


def connect(docker_host: str | None) -> Daemon:
    """Connect to the daemon named, or to the first that answers where Docker's own client would look.

    Raises:
        EngineError: none answers.
    """
    first: DaemonFault | None = None
    for address in [docker_host] if docker_host else _addresses():
        try:
            with daemon_faults(address):
                return _describe(_client(address), address)
        except DaemonFault as fault:
            first = first or fault
    raise first or AssertionError("no address")


def _addresses() -> Iterator[str]:
    """DOCKER_HOST alone where set; else the current context's, the default socket, and Podman's."""
    if host := os.environ.get("DOCKER_HOST"):
        yield host
        return
    with suppress(DockerException, OSError, ValueError):
        context = ContextAPI.get_current_context()
        if context is not None and context.Host:
            yield context.Host.replace("http+unix://", "unix://")
    yield DEFAULT_UNIX_SOCKET.replace("http+unix://", "unix://")
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR", "/run")
    for directory in dict.fromkeys((runtime_dir, "/run")):
        yield f"unix://{directory}/podman/podman.sock"


def _client(address: str) -> APIClient:
    scheme, _, path = address.partition("://")
    if scheme == "unix":
        # docker-py 7 leaves its socket open where there is none at the other end.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
    # The environment gives the TLS certificates, as for docker's own client.
    settings: dict[str, Any] = {**kwargs_from_env(), "base_url": address}
    return APIClient(version="auto", timeout=int(REQUEST_LIMIT_S), use_ssh_client=True, **settings)


def _describe(client: APIClient, address: str) -> Daemon:
    version, info = client.version(), client.info()
    machine = version["Arch"]
    components = {component["Name"] for component in version.get("Components") or ()}
    return Daemon(
        client=client,
        address=address,
        version=version["Version"],
        architecture=_ARCHITECTURE.get(machine, machine),
        runtime=info.get("DefaultRuntime") or "",
        is_podman="Podman Engine" in components,
        pid=_local_pid(address, info),
    )


def _local_pid(address: str, info: dict[str, Any]) -> int | None:
    """The daemon's process, where it is one of this machine's.

    Whoever listens on a local socket may only hand it on (Docker Desktop's virtual machine, ssh -L), hence
    the comparison of kernels and host names.
    """
    scheme, _, path = address.partition("://")
    here = platform.uname()
    if scheme != "unix" or (info.get("KernelVersion"), info.get("Name")) != (here.release, here.node):
        return None
    with suppress(OSError), socket.socket(socket.AF_UNIX) as channel:
        channel.connect(path)
        pid, _, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid or None  # 0: in a process namespace that we do not see
    return None


def require_known_architecture(daemon: Daemon, known: tuple[str, ...]) -> None:
    """Raise an EngineError where capmin has no table of system calls for the daemon's machine."""
    if daemon.architecture not in known:
        raise EngineError(
            f"the Docker daemon at {daemon.address} runs on {daemon.architecture}; "
            f"capmin knows {', '.join(known)}"
        )
