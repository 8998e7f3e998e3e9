"""DockerEngine: the `Engine` protocol over a daemon."""

import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import TracebackType
from typing import Self

import stamina
from docker.types import HostConfig

from capmin.engines import Container, EngineOptions, Image, LaunchSpec, Volume
from capmin.engines.docker import leftovers
from capmin.engines.docker.ceiling import ceiling
from capmin.engines.docker.configuration import container_config, host_config, sidecar_host_config
from capmin.engines.docker.container import DockerContainer, created, is_running
from capmin.engines.docker.daemon import connect, require_known_architecture
from capmin.engines.docker.faults import DaemonFault, daemon_faults
from capmin.engines.docker.leftovers import remove_of_the_dead
from capmin.engines.docker.loading import find
from capmin.engines.docker.owner import Owner, labels
from capmin.engines.filtering import filter_for, observes, watchable
from capmin.engines.keeper import STEPS
from capmin.engines.never_started import NeverStarted
from capmin.engines.state import StateDirectory
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.observe.seccomp_notify import SeccompListener
from capmin.observe.status import granted_of
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.privileges.syscall import table
from capmin.seccomp import SECCOMP_ARCHITECTURE, SeccompProfile, docker_default

_TRIES = 3
_TRIES_LIMIT_S = 90.0
"""A daemon that is restarted answers again within seconds; one that hangs costs a whole request limit."""


class DockerEngine:
    """Launches containers on a Docker daemon.

    Raises:
        EngineError: no daemon answers, or capmin does not know its machine.
    """

    name = "docker"

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._daemon = connect(options.docker_host)
        require_known_architecture(self._daemon, tuple(SECCOMP_ARCHITECTURE))
        remove_of_the_dead(self._daemon)
        self._owner = Owner.this_process()
        self._state = StateDirectory(options.state_dir)
        reaper = (sys.executable, "-I", "-m", leftovers.__name__, self._daemon.address, str(self._owner))
        self._state.on_death(reaper)

    @property
    def address(self) -> str:
        """Where the daemon is, as DOCKER_HOST spells it."""
        return self._daemon.address

    @property
    def version(self) -> str:
        return self._daemon.version

    @property
    def architecture(self) -> str:
        return self._daemon.architecture

    @cached_property
    def ceiling(self) -> frozenset[Capability]:
        """What the daemon gives when it is tried, in narrower bounds where its process can be looked at."""
        process = None if self._daemon.pid is None else granted_of(self._daemon.pid)
        candidates = frozenset(CAPABILITIES) if process is None else process.bounding
        return ceiling(self._daemon, candidates, self._labels({}))

    @cached_property
    def observes_syscalls(self) -> bool:
        """A local daemon of 23 or later, which finds our sockets where we put them."""
        return self._daemon.passes_listener_path and self._daemon.sees(self._state.path)

    @property
    def observes_capabilities(self) -> bool:
        """Containers are made by the daemon, and what others make is not traced."""
        return False

    def default_syscalls(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        return docker_default(capabilities, self.architecture).allowed & table(self.architecture).keys()

    def watchable(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        return watchable(capabilities, self.architecture)

    def image(self, reference: str) -> Image:
        return find(self._daemon, reference, self._options.cache_dir)

    @contextmanager
    def volume(self) -> Iterator[Volume]:
        name = f"capmin-{self._options.campaign}-{uuid.uuid4().hex[:12]}"
        with daemon_faults(self._daemon.address):
            self._daemon.client.create_volume(name, labels=self._labels({}))
        try:
            yield Volume(handle=name)
        finally:
            leftovers.remove_volume(self._daemon, name)

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        if missing := sorted(grant.capabilities - self.ceiling):
            raise EngineError(
                f"docker {self.version} cannot give {', '.join(missing)} (capmin doctor says what it can)"
            )
        if spec.network is not None and not is_running(spec.network):
            yield NeverStarted("the container whose network it was to share is not running")
            return
        with ExitStack() as stack:
            listener, profile = self._filter(spec, grant, stack)
            neighbour = spec.network.identity if isinstance(spec.network, DockerContainer) else None
            host = host_config(self._daemon, spec, grant.capabilities, profile, neighbour)
            yield self._launched(spec, host, listener, stack)

    @contextmanager
    def beside(self, neighbour: str, spec: LaunchSpec) -> Iterator[Container]:
        """A container with every privilege that the daemon can give, on the network of another one."""
        host = sidecar_host_config(self._daemon, spec, self.ceiling, neighbour)
        with ExitStack() as stack:
            yield self._launched(spec, host, None, stack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Each container went with its own block; asking the daemon again would take a process 0.4 s.
        (self._state.path / STEPS).unlink(missing_ok=True)
        self._state.close()
        self._daemon.client.close()

    def _filter(
        self, spec: LaunchSpec, grant: Grant, stack: ExitStack
    ) -> tuple[SeccompListener | None, SeccompProfile | None]:
        """The filter to pass, None for the daemon's own default, and the listener for what it notifies."""
        if not observes(spec):
            if spec.seccomp_profile is None and grant.syscalls is None:
                return None, None
            return None, filter_for(spec, grant, self.architecture, None).profile
        if not self.observes_syscalls:
            # 20.10 drops the path; a filter that notifies would then hang the container for ever.
            raise EngineError(
                f"docker {self.version} cannot observe system calls: observe nothing, or use runc"
            )
        path = self._state.path / f"{uuid.uuid4().hex[:12]}.sock"
        chosen = filter_for(spec, grant, self.architecture, path)
        if chosen.decide is None:
            return None, chosen.profile
        listener = SeccompListener(path, decide=chosen.decide, architecture=self.architecture)
        return stack.enter_context(listener), chosen.profile

    def _launched(
        self, spec: LaunchSpec, host: HostConfig, listener: SeccompListener | None, stack: ExitStack
    ) -> DockerContainer:
        """A container started, and removed with the stack; tried again where the daemon is at fault."""
        config = container_config(self._daemon, spec, self._labels(spec.labels), host)
        for attempt in stamina.retry_context(on=DaemonFault, attempts=_TRIES, timeout=_TRIES_LIMIT_S):
            with attempt, ExitStack() as trial:
                name = f"capmin-{self._options.campaign}-{uuid.uuid4().hex[:12]}"
                container = DockerContainer(self._daemon, self, listener)
                trial.callback(container.close)
                container.start(trial.enter_context(created(self._daemon, config, name)))
                stack.push(trial.pop_all())
                return container
        raise AssertionError

    def _labels(self, others: Mapping[str, str]) -> dict[str, str]:
        return labels(self._options.campaign, self._owner, others)
