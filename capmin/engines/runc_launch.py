"""What a container of the runc engine is made from, and where."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from capmin.engines import LaunchSpec
from capmin.engines.fostering import Fostering
from capmin.engines.oci_spec import Bundle, Host
from capmin.engines.oci_user import resolve_user
from capmin.errors import ImageError
from capmin.privileges import Capability
from capmin.scenario import Command
from capmin.seccomp import SeccompProfile


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where an engine's containers live: its state directory and its control group."""

    path: Path
    cgroup: str
    host: Host
    ceiling: frozenset[Capability]
    fostering: Fostering


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """What a container shares with those on its network, as with Docker.

    A path to the namespace, and the host directory with the hosts, hostname and resolv.conf of the first.
    """

    namespace: str
    hostname: str
    etc: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What is launched. ``seccomp`` None is unconfined; ``network`` is another container's where given."""

    identity: str
    spec: LaunchSpec
    capabilities: frozenset[Capability]
    seccomp: SeccompProfile | None
    network: Network | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def hostname(self) -> str:
        return self.identity if self.network is None else self.network.hostname

    @property
    def argv(self) -> Command:
        """The words to execute.

        Raises:
            ImageError: there are none.
        """
        image = self.spec.image
        argv = self.spec.argv or image.entrypoint + (self.spec.arguments or image.cmd)
        if not argv:
            raise ImageError(f"{image.reference} names no command to run: give one")
        return argv

    def bundle(self, *, root: Path, etc: Path, cgroup: str) -> Bundle:
        """All of it for the runtime, its root mounted at ``root``.

        Raises:
            ImageError: the image has no such user, or no command.
        """
        spec = self.spec
        user = spec.image.user if spec.user is None else spec.user
        return Bundle(
            root=root,
            etc=etc,
            hostname=self.hostname,
            argv=self.argv,
            environment=(*spec.image.environment, *spec.environment),
            working_dir=spec.image.working_dir,
            user=resolve_user(user, Path(spec.image.handle)),
            capabilities=self.capabilities,
            seccomp=self.seccomp,
            cgroup=cgroup,
            network_namespace=None if self.network is None else self.network.namespace,
            mounts=spec.mounts,
            annotations=self.annotations,
        )


def new_identity() -> str:
    """A container's name: twelve hexadecimal digits, which are its host name, too, as with Docker."""
    return secrets.token_hex(6)
