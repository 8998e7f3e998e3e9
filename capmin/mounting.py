"""What a service has mounted, independent of how it is written down: in a result, or in a Compose file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from capmin.scenario import Scenario, Setting


class MountKind(StrEnum):
    """The words of docker run --mount type=."""

    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceMount:
    """Something mounted; ``source`` is a volume's name, a path of the host, or empty for a tmpfs."""

    kind: MountKind
    target: str
    source: str = ""
    read_only: bool = False

    def to_json(self) -> dict[str, Any]:
        source = {} if self.kind is MountKind.TMPFS else {"source": self.source, "read_only": self.read_only}
        return {"type": self.kind.value, "target": self.target, **source}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises `KeyError` or `ValueError` where it is not what `to_json` makes."""
        return cls(
            kind=MountKind(document["type"]),
            target=document["target"],
            source=document.get("source", ""),
            read_only=bool(document.get("read_only", False)),
        )


def mounts_of(scenarios: Iterable[Scenario]) -> tuple[ServiceMount, ...]:
    """What the scenarios mount in the searched container, by its place there.

    Of several at one place the first counts; it can be read-only only if all scenarios pass with it so.
    """
    found: dict[str, ServiceMount] = {}
    for scenario in scenarios:
        for mount in _mounts(scenario.setting):
            first = found.setdefault(mount.target, mount)
            found[mount.target] = replace(first, read_only=first.read_only and mount.read_only)
    return tuple(found[target] for target in sorted(found))


def _mounts(setting: Setting) -> Iterator[ServiceMount]:
    for name, path in setting.volumes:
        yield ServiceMount(kind=MountKind.VOLUME, target=path, source=name)
    for name, path in setting.read_only_volumes:
        yield ServiceMount(kind=MountKind.VOLUME, target=path, source=name, read_only=True)
    for path in setting.tmpfs:
        yield ServiceMount(kind=MountKind.TMPFS, target=path)
    for file in setting.files:
        yield ServiceMount(kind=MountKind.BIND, target=file.target, source=file.source, read_only=True)
