"""Engines: what launches a container under a grant.

One `Protocol`, one module an engine. An engine is a session: containers are context managers, so that a
scenario can have phases, and everything that an engine makes is gone when it is closed.

A filter or a capability set with which a container cannot even start gives a container that has ended,
with `Exit.refused`. A dead daemon, a full disk, a missing program is an `EngineError`: nothing may be
judged from it.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.scenario import Command
from capmin.seccomp import SeccompProfile
from capmin.trial import Attempt, End, Granted

OUTPUT_LIMIT_BYTES = 1 << 20
"""How much of a container's output is kept: the last part. The rest is read and thrown away."""

UNPRIVILEGED_PORT_START = 1024
"""The kernel's own default. Docker sets 0, which hides a need for CAP_NET_BIND_SERVICE."""

MEMORY_LIMIT_BYTES = 2 << 30
PIDS_LIMIT = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that an engine can launch.

    ``digest`` identifies its content (``sha256:...``); ``handle`` is the engine's own name for it. The rest
    is the image's configuration: OCI image-spec config.md, and Docker's health check as a command.
    """

    reference: str
    digest: str
    handle: str
    entrypoint: Command = ()
    cmd: Command = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    stop_signal: str = "SIGTERM"
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    healthcheck: Command = ()


class Observe(Enum):
    """What the engine is to see of the system calls made."""

    NOTHING = "nothing"
    """The filter is the one that will be emitted, to the letter."""

    DENIALS = "denials"
    """Calls that the grant lacks are notified, and answered with the errno of the emitted profile."""

    USES = "uses"
    """Calls that the grant lacks are notified, and answered as the runtime's default filter would."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """Files that outlive containers, until the end of the volume's own ``with`` block.

    ``handle`` is the engine's own name for it.
    """

    handle: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """What a container sees at ``target``: a volume, a file or directory of the host, or (None) a tmpfs.

    An empty volume is filled with what the image has there, owners and modes included, as Docker does.
    """

    target: str
    source: Volume | Path | None
    read_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchSpec:
    """What to launch, the privileges apart; the words are docker run's.

    Without ``argv`` the image's own entrypoint and command run, the command replaced by ``arguments`` where
    there are any; with it both are replaced. ``environment`` (``NAME=VALUE``) and ``user`` come before the
    image's own. The network has loopback only; it is a new one, in which ``names`` are names for 127.0.0.1,
    or that of the container ``network``, with its names. ``seccomp_profile`` overrides the filter made from
    the grant: confirmation launches with the very document that was written. ``denied_errno`` is the errno
    of the policy. With ``observe_capabilities`` checks of capabilities are attempts, too, whatever
    ``observe`` says. With `Observe.DENIALS` so are the calls ``watched`` where they are granted: the engine
    must be able to, see `Engine.watchable`.
    """

    image: Image
    argv: Command | None = None
    arguments: Command = ()
    environment: tuple[str, ...] = ()
    user: str | None = None
    mounts: tuple[Mount, ...] = ()
    names: tuple[str, ...] = ()
    network: "Container | None" = None
    observe: Observe = Observe.NOTHING
    observe_capabilities: bool = False
    watched: frozenset[Syscall] = frozenset()
    denied_errno: int
    seccomp_profile: SeccompProfile | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """How a container ended: ``code`` is 0 to 255 as a shell gives it (128 + signal).

    ``refused`` holds the runtime's words where the program was never started.
    """

    code: int
    refused: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Executed:
    """A command that ran in a container; ``code`` is None where it had not ended by its limit."""

    code: int | None
    output: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process in a container, as the host sees it; ``uid`` is its effective user there."""

    pid: int
    parent: int
    uid: int
    name: str


class Container(Protocol):
    """A started container, until the end of its ``with`` block: there it is killed and removed."""

    def wait(self, limit_s: float) -> Exit | None:
        """Wait until the container's own process ends, or the limit has passed (None)."""
        ...

    def signal(self, signal: int) -> None:
        """Send a signal to the container's own process; nothing happens where it has ended."""
        ...

    def beside(self, spec: LaunchSpec) -> "AbstractContextManager[Container]":
        """Start a sidecar with every privilege that the host can give, on this container's network."""
        ...

    def execute(self, argv: Command, limit_s: float) -> Executed:
        """Run a command in it, with its privileges and as its user, as docker exec does.

        What the command attempts is among `attempts`. In a container that has ended its code is 126.
        """
        ...

    def read(self, path: str, limit_bytes: int) -> bytes | None:
        """The beginning of a file as its processes see it, also after it has ended; None where there is none.

        What was on a tmpfs is gone with the container.
        """
        ...

    def network_namespace(self) -> Path | None:
        """Where this process can enter its network: /proc/PID/ns/net; None: not here, or it has ended."""
        ...

    def output(self) -> str:
        """The last `OUTPUT_LIMIT_BYTES` that it wrote on stdout and stderr, decoded with replacement."""
        ...

    def processes(self) -> tuple[Process, ...]:
        """What runs in it now."""
        ...

    def attempts(self) -> tuple[Attempt, ...] | None:
        """What its programs attempted, as far as ``observe`` asked; None where this engine cannot tell."""
        ...

    def ends(self) -> tuple[End, ...]:
        """How its processes ended, and what each was denied, as far as ``observe`` asked.

        In their order, those last that were still there, or killed unseen.
        """
        ...

    def granted(self) -> Granted | None:
        """What the kernel says that its process has; None where it was gone before it could be read."""
        ...


class Engine(Protocol):
    """What launches containers.

    ``name`` is docker, runc, nspawn or simulated; ``version`` is that of the program behind it.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def architecture(self) -> str:
        """Where the containers run: x86_64, arm64."""
        ...

    @property
    def ceiling(self) -> frozenset[Capability]:
        """Every capability that this engine can give on its host."""
        ...

    @property
    def observes_syscalls(self) -> bool:
        """Whether `Observe.DENIALS` and `Observe.USES` work here."""
        ...

    @property
    def observes_capabilities(self) -> bool:
        """Whether ``LaunchSpec.observe_capabilities`` works here."""
        ...

    def default_syscalls(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        """What the default filter allows a container with these capabilities."""
        ...

    def watchable(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        """What can be ``LaunchSpec.watched`` in a container with these capabilities."""
        ...

    def image(self, reference: str) -> Image:
        """Find an image, fetching it if need be.

        Raises:
            ImageError: there is none of that name, or it cannot be read.
        """
        ...

    def volume(self) -> AbstractContextManager[Volume]:
        """Make an empty volume; it is removed at the end of its block, after its containers."""
        ...

    def start(self, spec: LaunchSpec, grant: Grant) -> AbstractContextManager[Container]:
        """Start a container.

        Raises:
            EngineError: the engine is broken; what the grant lacks is never a reason.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """What the command line lets the user choose about engines.

    ``state_dir`` holds what lives as long as the process (sockets, overlays); ``cache_dir`` unpacked images;
    ``campaign`` labels every container.
    """

    campaign: str
    state_dir: Path
    cache_dir: Path
    docker_host: str | None = None
