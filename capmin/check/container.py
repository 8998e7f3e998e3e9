"""What a container in a file is granted: the same words for every format."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from capmin.check.node import Entry
from capmin.errors import UsageError
from capmin.privileges import Capability
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT, capability

PODMAN_DEFAULT: frozenset[Capability] = DOCKER_DEFAULT - {
    Capability("CAP_AUDIT_WRITE"),
    Capability("CAP_MKNOD"),
    Capability("CAP_NET_RAW"),
}
"""What `podman run` grants: go.podman.io/common/pkg/config/default.go."""

ALL = "ALL"


class Seccomp(StrEnum):
    """Which filter a container gets."""

    DEFAULT = "default"
    """The runtime's own, because nothing is said."""
    UNCONFINED = "unconfined"
    UNSAID = "unsaid"
    """None, because nothing is said: Kubernetes, unless the kubelet was told seccompDefault."""
    FILE = "file"
    INLINE = "inline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container, and where in ``file`` each of its grants stands.

    ``privileged`` is the line that says so. ``seccomp_source`` is the path of the filter, or its text.
    ``host_namespaces`` are the kinds shared with the host, ``unconfined`` other protections taken away.
    ``drop_line`` is where to say what is dropped.
    """

    file: str
    name: str
    image: str | None
    line: int
    drop_line: int | None = None
    default_capabilities: frozenset[Capability] = DOCKER_DEFAULT
    privileged: int | None = None
    added: tuple[Entry, ...] = ()
    dropped: tuple[Entry, ...] = ()
    seccomp: Seccomp = Seccomp.DEFAULT
    seccomp_source: Entry | None = None
    no_new_privileges: bool = False
    host_namespaces: tuple[Entry, ...] = ()
    host_paths: tuple[Entry, ...] = ()
    devices: tuple[Entry, ...] = ()
    unconfined: tuple[Entry, ...] = ()

    @property
    def added_names(self) -> frozenset[Capability]:
        return self._names(self.added)

    @property
    def kept_defaults(self) -> frozenset[Capability]:
        """What the runtime grants by itself and is not dropped."""
        return self.default_capabilities - self._names(self.dropped)

    @property
    def effective(self) -> frozenset[Capability]:
        """Everything granted, as Docker's daemon works it out (moby oci/caps/utils.go)."""
        if self.privileged is not None:
            return frozenset(CAPABILITIES)
        if any(entry.text.upper() == ALL for entry in self.added):
            named = (entry for entry in self.dropped if entry.text.upper() != ALL)
            return frozenset(CAPABILITIES) - self._names(named)
        return self.kept_defaults | self.added_names

    def _names(self, entries: Iterable[Entry]) -> frozenset[Capability]:
        found: set[Capability] = set()
        for entry in entries:
            found.update(CAPABILITIES if entry.text.upper() == ALL else (self.capability(entry),))
        return frozenset(found)

    def capability(self, entry: Entry) -> Capability:
        """The capability that an entry names.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            return capability(entry.text)
        except UsageError as error:
            raise UsageError(f"{self.file}:{entry.line}: {error}") from error


_NO_NEW_PRIVILEGES = re.compile(r"no-new-privileges([:=](true|True|TRUE|1|t|T))?")


def with_security_options(container: Container, options: Iterable[Entry]) -> Container:
    """Apply what Docker and Podman call ``--security-opt``; ``:`` is the old spelling of ``=``."""
    for option in options:
        name, value = _split(option.text)
        if _NO_NEW_PRIVILEGES.fullmatch(option.text):
            container = replace(container, no_new_privileges=True)
        elif name == "seccomp":
            container = _with_seccomp(container, Entry(text=value, line=option.line))
        elif (name, value) in _PROTECTIONS:
            container = replace(container, unconfined=(*container.unconfined, option))
    return container


def _split(option: str) -> tuple[str, str]:
    found = re.fullmatch(r"([a-z-]+)[:=](.*)", option, re.DOTALL)
    return (option, "") if found is None else (found[1], found[2])


_PROTECTIONS = {
    ("apparmor", "unconfined"),
    ("label", "disable"),
    ("systempaths", "unconfined"),
    ("unmask", "ALL"),
    ("unmask", "all"),
}


def _with_seccomp(container: Container, value: Entry) -> Container:
    if value.text == "unconfined":
        return replace(container, seccomp=Seccomp.UNCONFINED, seccomp_source=value)
    if value.text in ("builtin", "default", ""):
        return replace(container, seccomp=Seccomp.DEFAULT, seccomp_source=value)
    kind = Seccomp.INLINE if value.text.lstrip().startswith("{") else Seccomp.FILE
    return replace(container, seccomp=kind, seccomp_source=value)


SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock", "buildkitd.sock")
"""Whoever may write to one of these is root on the host."""

_SENSITIVE = (
    "/boot /dev /etc /lib/modules /proc /root /run /sys /usr /var/lib/containerd /var/lib/containers "
    "/var/lib/docker /var/lib/kubelet /var/log /var/run"
).split()


def is_socket(path: str) -> bool:
    """Whether it is the socket of a container runtime."""
    return PurePosixPath(path).name in SOCKETS


def is_sensitive(path: str) -> bool:
    """Whether a path of the host is the system's own, not just some directory for data."""
    pure = PurePosixPath(path)
    return pure == PurePosixPath("/") or any(str(pure) == place for place in _SENSITIVE) or is_socket(path)
