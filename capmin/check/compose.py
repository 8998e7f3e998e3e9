"""Containers of a Compose file (compose-spec 05-services.md)."""

from collections.abc import Iterator

from capmin.check.container import Container, with_security_options
from capmin.check.node import Entry, Node, entries, is_true

_NAMESPACES = {
    "pid": "pid",
    "network_mode": "network",
    "ipc": "ipc",
    "uts": "uts",
    "userns_mode": "user",
    "cgroup": "cgroup",
}


def containers(document: Node) -> Iterator[Container]:
    """Every service."""
    services = document.get("services")
    for name, service in services.members() if services is not None else ():
        yield _service(name, service)


def _service(name: str, service: Node) -> Container:
    privileged, dropped = service.get("privileged"), service.get("cap_drop")
    image = service.get("image")
    container = Container(
        file=service.file,
        name=name,
        image=None if image is None else str(image.value),
        line=service.line,
        drop_line=None if dropped is None else dropped.line,
        privileged=privileged.line if privileged is not None and is_true(privileged) else None,
        added=entries(service.get("cap_add")),
        dropped=entries(dropped),
        host_namespaces=tuple(_host_namespaces(service)),
        host_paths=tuple(_host_paths(service)),
        devices=(*_devices(service), *entries(service.get("device_cgroup_rules"))),
    )
    return with_security_options(container, entries(service.get("security_opt")))


def _host_namespaces(service: Node) -> Iterator[Entry]:
    for key, kind in _NAMESPACES.items():
        mode = service.get(key)
        if mode is not None and mode.value == "host":
            yield Entry(text=kind, line=mode.line)


def _host_paths(service: Node) -> Iterator[Entry]:
    volumes = service.get("volumes")
    for volume in volumes.items() if volumes is not None else ():
        if isinstance(volume.value, str):
            source, separator, _ = volume.value.partition(":")
            if separator and source.startswith("/"):
                yield Entry(text=source, line=volume.line)
        elif (kind := volume.get("type")) is not None and kind.value == "bind":
            source_node = volume.get("source")
            if source_node is not None:
                yield source_node.entry()


def _devices(service: Node) -> Iterator[Entry]:
    devices = service.get("devices")
    for device in devices.items() if devices is not None else ():
        if isinstance(device.value, str):
            yield Entry(text=device.value.partition(":")[0], line=device.line)
        elif (source := device.get("source")) is not None:
            yield source.entry()
