"""Containers as ``docker inspect`` and ``podman inspect`` show them."""

from collections.abc import Iterator

from capmin.check.container import Container, with_security_options
from capmin.check.node import Entry, Node, entries

_NAMESPACES = {
    "PidMode": "pid",
    "NetworkMode": "network",
    "IpcMode": "ipc",
    "UTSMode": "uts",
    "UsernsMode": "user",
}


def containers(document: Node) -> Iterator[Container]:
    """Every container of the list that is printed."""
    for item in document.items():
        host = item.get("HostConfig")
        if host is None:
            raise item.error("no HostConfig: this is not docker inspect of a container")
        yield _container(item, host)


def _container(item: Node, host: Node) -> Container:
    name, image = item.get("Name"), item.at("Config", "Image")
    privileged, dropped = host.get("Privileged"), host.get("CapDrop")
    container = Container(
        file=item.file,
        name="" if name is None else str(name.value).removeprefix("/"),
        image=None if image is None else str(image.value),
        line=item.line if name is None else name.line,
        drop_line=None if dropped is None else dropped.line,
        privileged=privileged.line if privileged is not None and privileged.is_true() else None,
        added=entries(host.get("CapAdd")),
        dropped=entries(dropped),
        host_namespaces=tuple(_host_namespaces(host)),
        host_paths=tuple(_host_paths(host)),
        devices=tuple(_devices(host)),
        unconfined=tuple(_unmasked(host)),
    )
    return with_security_options(container, entries(host.get("SecurityOpt")))


def _host_namespaces(host: Node) -> Iterator[Entry]:
    for key, kind in _NAMESPACES.items():
        mode = host.get(key)
        if mode is not None and mode.value == "host":
            yield Entry(text=kind, line=mode.line)


def _host_paths(host: Node) -> Iterator[Entry]:
    """What ``-v`` and ``--mount`` bound; named volumes are not of the host."""
    for bind in entries(host.get("Binds")):
        source = bind.text.partition(":")[0]
        if source.startswith("/"):
            yield Entry(text=source, line=bind.line)
    mounts = host.get("Mounts")
    for mount in mounts.items() if mounts is not None else ():
        kind, source_node = mount.get("Type"), mount.get("Source")
        if kind is not None and kind.value == "bind" and source_node is not None:
            yield source_node.entry()


def _devices(host: Node) -> Iterator[Entry]:
    devices = host.get("Devices")
    for device in devices.items() if devices is not None else ():
        path = device.get("PathOnHost")
        if path is not None:
            yield path.entry()


def _unmasked(host: Node) -> Iterator[Entry]:
    """Docker lists what it masks; an empty list is ``systempaths=unconfined``, and privileged is null."""
    masked = host.get("MaskedPaths")
    if masked is not None and not masked.value:
        yield Entry(text="systempaths=unconfined", line=masked.line)
