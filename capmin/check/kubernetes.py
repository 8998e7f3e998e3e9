"""Containers of Kubernetes manifests: of pods, and of whatever makes pods from a template."""

from collections.abc import Iterator

from capmin.check.container import Container, Seccomp
from capmin.check.node import Entry, Node, entries

_POD_SPEC = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "PodTemplate": ("template", "spec"),
}
_TEMPLATED = ("spec", "template", "spec")
_HOST = {"hostPID": "pid", "hostNetwork": "network", "hostIPC": "ipc"}
_KINDS = ("initContainers", "containers", "ephemeralContainers")


def containers(document: Node) -> Iterator[Container]:
    """Every container of one object, or of the objects of a list."""
    kind = document.get("kind")
    if kind is not None and kind.value == "List":
        items = document.get("items")
        for item in items.items() if items is not None else ():
            yield from containers(item)
        return
    spec = document.at(*_POD_SPEC.get("" if kind is None else str(kind.value), _TEMPLATED))
    if spec is None:
        return
    for key in _KINDS:
        listed = spec.get(key)
        for container in listed.items() if listed is not None else ():
            yield _container(container, spec)


def _container(container: Node, spec: Node) -> Container:
    name, image = container.get("name"), container.get("image")
    privileged = container.at("securityContext", "privileged")
    dropped = container.at("securityContext", "capabilities", "drop")
    escalation = container.at("securityContext", "allowPrivilegeEscalation")
    seccomp, source = _seccomp(container, spec)
    return Container(
        file=container.file,
        name="" if name is None else str(name.value),
        image=None if image is None else str(image.value),
        line=container.line,
        drop_line=None if dropped is None else dropped.line,
        privileged=privileged.line if privileged is not None and privileged.is_true() else None,
        added=entries(container.at("securityContext", "capabilities", "add")),
        dropped=entries(dropped),
        seccomp=seccomp,
        seccomp_source=source,
        no_new_privileges=escalation is not None and escalation.value is False,
        host_namespaces=tuple(_host_namespaces(spec)),
        host_paths=tuple(_host_paths(container, spec)),
        unconfined=tuple(_unconfined(container, spec)),
    )


def _seccomp(container: Node, spec: Node) -> tuple[Seccomp, Entry | None]:
    profile = container.at("securityContext", "seccompProfile") or spec.at(
        "securityContext", "seccompProfile"
    )
    kind = None if profile is None else profile.get("type")
    if profile is None or kind is None:
        return Seccomp.UNSAID, None
    path = profile.get("localhostProfile")
    if kind.value == "Localhost" and path is not None:
        return Seccomp.FILE, path.entry()
    return Seccomp.UNCONFINED if kind.value == "Unconfined" else Seccomp.DEFAULT, kind.entry()


def _host_namespaces(spec: Node) -> Iterator[Entry]:
    for key, kind in _HOST.items():
        node = spec.get(key)
        if node is not None and node.is_true():
            yield Entry(text=kind, line=node.line)


def _host_paths(container: Node, spec: Node) -> Iterator[Entry]:
    """The host's paths behind the volumes that this container mounts; the line is the volume's."""
    mounts, volumes = container.get("volumeMounts"), spec.get("volumes")
    if mounts is None or volumes is None:
        return
    mounted = {str(name.value) for mount in mounts.items() if (name := mount.get("name")) is not None}
    for volume in volumes.items():
        name, path = volume.get("name"), volume.at("hostPath", "path")
        if name is not None and path is not None and str(name.value) in mounted:
            yield path.entry()


def _unconfined(container: Node, spec: Node) -> Iterator[Entry]:
    proc = container.at("securityContext", "procMount")
    if proc is not None and proc.value == "Unmasked":
        yield Entry(text="procMount=Unmasked", line=proc.line)
    apparmor = container.at("securityContext", "appArmorProfile", "type") or spec.at(
        "securityContext", "appArmorProfile", "type"
    )
    if apparmor is not None and apparmor.value == "Unconfined":
        yield Entry(text="apparmor=unconfined", line=apparmor.line)
