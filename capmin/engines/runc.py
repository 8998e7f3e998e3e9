"""The runc engine: no daemon, one `runc create` on a fresh overlay for each launch.

It is embedded: the process that searches mounts, starts, listens and cleans up itself. What it makes on the
host belongs to one state directory (`capmin.engines.state`), which a keeper cleans if capmin is killed.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from capmin.engines import Container, EngineOptions, Image, LaunchSpec, Volume
from capmin.engines._process import run
from capmin.engines.filtering import filter_for, observes, watchable
from capmin.engines.fostering import Fostering
from capmin.engines.never_started import NeverStarted
from capmin.engines.oci_spec import Host
from capmin.engines.overlay import mount_tmpfs
from capmin.engines.runc_container import NO_NEIGHBOUR, RuncContainer
from capmin.engines.runc_launch import Launch, Site, new_identity
from capmin.engines.runc_volume import new_volume
from capmin.engines.state import StateDirectory
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.observe import capability_trace, notify_abi
from capmin.observe.seccomp_notify import SeccompListener
from capmin.observe.status import ceiling_of
from capmin.observe.trace_pool import TracePool
from capmin.privileges import Capability, Syscall
from capmin.privileges.syscall import host_architecture, table
from capmin.seccomp import docker_default

if TYPE_CHECKING:
    from capmin.engines.rootfs import RootfsCache

NEEDS_ROOT = "the runc engine needs root: run capmin with sudo, or with --engine docker"

_LISTENER_SINCE = (1, 1)
"""runc 1.1.0 brought SCMP_ACT_NOTIFY and listenerPath."""


class RuncEngine:
    """Launches containers through runc alone; needs root.

    Several threads may start containers at once. Images come unpacked from ``images``, which is the engine's
    from then on; each launch sees its image through an overlay of its own on a tmpfs. Close the engine after
    the last container.

    Raises:
        EngineError: not root, no runc, or the state directory cannot be made.
    """

    name = "runc"

    def __init__(self, options: EngineOptions, images: "RootfsCache") -> None:
        self.version = _runc_version()
        self.architecture = host_architecture()
        self.ceiling = ceiling_of(os.getpid())
        self._options = options
        self._images = images
        with contextlib.ExitStack() as stack:
            self._state = stack.enter_context(StateDirectory(options.state_dir))
            mount_tmpfs(self._state.path)
            fostering = stack.enter_context(Fostering())
            stack.enter_context(images)
            self._traces = stack.enter_context(TracePool(fostering.pid))
            self._teardown = stack.pop_all()
        self._site = Site(
            path=self._state.path,
            cgroup=self._state.cgroup,
            host=Host.detect(),
            ceiling=self.ceiling,
            fostering=fostering,
        )

    @property
    def observes_syscalls(self) -> bool:
        major, minor = self.version.split(".")[:2]
        return (int(major), int(minor)) >= _LISTENER_SINCE and notify_abi.is_supported()

    @property
    def observes_capabilities(self) -> bool:
        return capability_trace.available() is None

    def default_syscalls(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        return docker_default(capabilities, self.architecture).allowed & table(self.architecture).keys()

    def watchable(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        return watchable(capabilities, self.architecture)

    def image(self, reference: str) -> Image:
        return self._images.image(reference)

    def volume(self) -> contextlib.AbstractContextManager[Volume]:
        return new_volume(self._state.path)

    @contextlib.contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        """Start a container; see `capmin.engines.Engine.start`.

        A ``seccomp_profile`` is launched to the letter, so that nothing is observed with it.
        """
        if missing := sorted(grant.capabilities - self.ceiling):
            raise EngineError(f"this host cannot give {', '.join(missing)} (capmin doctor shows what it can)")
        identity = new_identity()
        listener_path = self._state.path / f"{identity}.sock" if observes(spec) else None
        chosen = filter_for(spec, grant, self.architecture, listener_path)
        launch = Launch(
            identity=identity,
            spec=spec,
            capabilities=grant.capabilities,
            seccomp=chosen.profile,
            annotations={"capmin.campaign": self._options.campaign, **spec.labels},
        )
        with contextlib.ExitStack() as stack:
            if isinstance(spec.network, RuncContainer):
                launch = replace(launch, network=stack.enter_context(spec.network.network()))
            if spec.network is not None and launch.network is None:
                yield NeverStarted(NO_NEIGHBOUR)
                return
            listener = None
            if listener_path is not None and chosen.decide is not None:
                listener = SeccompListener(
                    listener_path, decide=chosen.decide, architecture=self.architecture
                )
                stack.enter_context(listener)
            trace = stack.enter_context(self._traces.one()) if spec.observe_capabilities else None
            yield stack.enter_context(RuncContainer(self._site, launch, listener, trace))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._teardown.close()


def _runc_version() -> str:
    if os.geteuid() != 0:
        raise EngineError(NEEDS_ROOT)
    if shutil.which("runc") is None:
        raise EngineError(
            "runc is not installed: apt-get install runc (or your distribution's package), "
            "or use --engine docker"
        )
    words = run(["runc", "--version"], limit_s=30).stdout
    match = re.search(r"runc version (\d+\.\d+(?:\.\d+)?)", words)
    if match is None:
        raise EngineError(f"this is not runc: runc --version says {words.splitlines()[:1]}")
    return match[1]
