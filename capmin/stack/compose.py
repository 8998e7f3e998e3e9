"""A stack as a Compose file of its own (compose-spec, 05-services.md), with all that its services need.

Other than the override of `capmin.emit.compose` it stands alone: image, command, environment, volumes and
names on the network are those that each service was searched with, privileges those that it was found to
need. Nothing is published: which ports the world may see is for a second file to say.
"""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from capmin.emit import compose as override
from capmin.emit import emit, provenance, yaml_text
from capmin.scenario import Setting
from capmin.stack.service import Service

_NETWORK = "default"
"""Compose makes it for the project alone, and its services find each other there."""


FILE_NAME = "compose.yaml"


def files(services: Sequence[Service], directory: Path) -> dict[str, str]:
    """The Compose file and the filters that it expects beside itself, by their names in ``directory``."""
    named = {FILE_NAME: compose_file(services, directory)}
    for service in services:
        if (name := seccomp_file(service)) is not None:
            named[name] = emit(service.profile, "docker-seccomp")
    return named


def compose_file(services: Sequence[Service], directory: Path) -> str:
    """The text of ``compose.yaml`` in a directory, where `seccomp_file` says which filters it expects."""
    document: dict[str, Any] = {
        "services": {
            service.name: _service(service, services[:position], services, directory)
            for position, service in enumerate(services)
        }
    }
    names = sorted({name for service in services for name, _ in _volumes(service.scenario.setting)})
    if names:
        document["volumes"] = {name: {} for name in names}
    return _head(services) + yaml_text.dump(document)


def seccomp_file(service: Service) -> str | None:
    """The name that the filter of a service has beside the Compose file; None where it has no own."""
    return None if service.profile.required is None else f"{service.name}.seccomp.json"


def _head(services: Sequence[Service]) -> str:
    # References and names may hold anything; a comment ends at a line break.
    built = [str(service.workload.path.parent) for service in services if service.workload.is_built]
    lines = ["Use: docker compose up"]
    if built:
        lines.append(f"Its images: capmin workload build --load {shlex.join(built)}")
    lines.append("No port is published: say which in a second file, behind -f compose.yaml -f FILE.")
    heads = [f"\n# {service.name}:\n{provenance.comment(service.profile, '#   ')}" for service in services]
    return "".join(f"# {provenance.one_line(line)}\n" for line in lines).rstrip("\n") + "".join(heads)


def _service(
    service: Service, earlier: Sequence[Service], services: Sequence[Service], directory: Path
) -> dict[str, Any]:
    scenario = service.scenario
    keys: dict[str, Any] = {"image": _literal(service.image)}
    if service.workload.is_built:
        keys["pull_policy"] = "never"  # no registry has it, and one that has another must not be asked
    keys |= _launch(scenario.setting)
    if mounts := [*_mounts(scenario.setting), *_files(scenario.setting, directory)]:
        keys["volumes"] = mounts
    if scenario.stop.signal:
        keys["stop_signal"] = scenario.stop.signal
    # A database that is killed in the middle of its shutdown starts with a recovery, under another profile.
    keys["stop_grace_period"] = f"{scenario.stop.limit_s:g}s"
    if known := [other.name for other in earlier if service.names_of(other)]:
        keys["depends_on"] = known
    if aliases := _aliases(service, services):
        keys["networks"] = {_NETWORK: {"aliases": aliases}}
    return keys | _privileges(service)


def _privileges(service: Service) -> dict[str, Any]:
    """As in an override, but for the filter's name, of which there are several here, and the mounts."""
    keys = override.service(service.profile)
    keys.pop("volumes", None)
    options = keys.pop("security_opt", [])
    filtered = (f"seccomp=./{seccomp_file(service)}" if "seccomp=" in each else each for each in options)
    return keys | ({"security_opt": [*filtered]} if options else {})


def _launch(setting: Setting) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if setting.arguments:
        keys["command"] = [_literal(word) for word in setting.arguments]
    if setting.environment:
        pairs = (entry.partition("=") for entry in setting.environment)
        keys["environment"] = {name: _literal(value) for name, _, value in pairs}
    if setting.user is not None:
        keys["user"] = _literal(setting.user)
    if setting.tmpfs:
        keys["tmpfs"] = [_literal(path) for path in setting.tmpfs]
    return keys


def _volumes(setting: Setting) -> Iterable[tuple[str, str]]:
    return (*setting.volumes, *setting.read_only_volumes)


def _mounts(setting: Setting) -> Iterable[Mapping[str, Any]]:
    for name, path in setting.volumes:
        yield {"type": "volume", "source": name, "target": _literal(path)}
    for name, path in setting.read_only_volumes:
        yield {"type": "volume", "source": name, "target": _literal(path), "read_only": True}


def _files(setting: Setting, directory: Path) -> Iterable[Mapping[str, Any]]:
    """Files of the workload's folder, found from the Compose file: both may be in one repository."""
    for file in setting.files:
        source = os.path.relpath(file.source, directory.resolve())
        dotted = source if source.startswith("..") else f"./{source}"
        yield {"type": "bind", "source": _literal(dotted), "target": _literal(file.target), "read_only": True}


def _aliases(service: Service, services: Iterable[Service]) -> list[str]:
    """What the others call it, and what it called itself in the scenario."""
    known = frozenset[str]().union(*(other.names_of(service) for other in services))
    own = {service.scenario.alias} if service.scenario.alias else set()
    return sorted((known | own) - {service.name})


def _literal(text: str) -> str:
    """A text that Compose takes as it stands: ``$`` begins a variable (compose-spec, 12-interpolation.md)."""
    return text.replace("$", "$$")
