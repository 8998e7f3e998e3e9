"""Readers of the emitted formats, written from the formats' own descriptions: what is granted, as read."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML

from capmin.mounting import MountKind, ServiceMount
from capmin.privileges.capability import CAPABILITIES
from capmin.seccomp import SeccompProfile, resolve_docker

EVERYTHING = frozenset(CAPABILITIES)


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a file grants; None where it says nothing of it.

    ``calls`` are the names allowed; ``rules`` the filter to the letter, where the format has all of it.
    """

    capabilities: frozenset[str] | None = None
    calls: frozenset[str] | None = None
    rules: SeccompProfile | None = None
    image: str | None = None
    user: int | None = None
    no_new_privileges: bool | None = None
    mounts: tuple[ServiceMount, ...] | None = None


def yaml(text: str) -> Any:  # noqa: ANN401 - whatever YAML can hold
    return YAML(typ="safe").load(text)


def ini(text: str) -> dict[str, list[str]]:
    """Every value of every key; systemd adds most of them up."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            values.setdefault(key, []).append(value)
    return values


def words(values: list[str] | None) -> frozenset[str]:
    return frozenset(" ".join(values or []).split())


def capabilities(names: list[str]) -> frozenset[str]:
    return frozenset(f"CAP_{name.upper().removeprefix('CAP_')}" for name in names)


def docker_seccomp(text: str) -> Read:
    rules = resolve_docker(json.loads(text), EVERYTHING, "x86_64")
    return Read(rules=rules, calls=frozenset(rules.allowed))


def run_script(text: str) -> Read:
    """The words of the line that is executed, and the image's name."""
    line = shlex.split(text[text.index("\nexec ") :])
    added = [value for word, value in pairwise(line) if word == "--cap-add"]
    assignment = shlex.split(text[text.index("\nimage=") :])[0]
    return Read(
        capabilities=capabilities(added) if "--cap-drop" in line else None,
        image=assignment.removeprefix("image="),
        no_new_privileges="no-new-privileges" in line,
    )


def compose(text: str) -> Read:
    document = yaml(text)
    [service] = document["services"].values()
    options = (service or {}).get("security_opt", [])
    mounts = tuple(compose_mount(mount) for mount in service.get("volumes", []))
    named = {mount.source for mount in mounts if mount.kind is MountKind.VOLUME}
    assert set(document.get("volumes", {})) == named
    return Read(
        capabilities=capabilities(service.get("cap_add", [])) if "cap_drop" in service else None,
        no_new_privileges="no-new-privileges:true" in options,
        mounts=mounts,
    )


def compose_mount(mount: dict[str, Any]) -> ServiceMount:
    """A mount as Compose understands it; ``$$`` is its way to write a dollar, and one alone a variable."""
    paths = {key: mount[key] for key in ("source", "target") if key in mount}
    assert not any("$" in path.replace("$$", "") for path in paths.values())
    return ServiceMount.from_json(mount | {key: path.replace("$$", "$") for key, path in paths.items()})


def kubernetes(text: str) -> Read:
    pod = yaml(text)["spec"]
    [container] = pod["containers"]
    context = container.get("securityContext", {})
    granted = context.get("capabilities")
    return Read(
        capabilities=None if granted is None else capabilities(granted.get("add", [])),
        image=container["image"],
        user=pod["securityContext"].get("runAsUser"),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
    )


def security_profiles_operator(text: str) -> Read:
    rules = SeccompProfile.from_oci(yaml(text)["spec"])
    return Read(rules=rules, calls=frozenset(rules.allowed))


def quadlet(text: str) -> Read:
    keys = ini(text)
    assert keys["DropCapability"] == ["all"]
    return Read(
        capabilities=words(keys.get("AddCapability")),
        image=keys["Image"][0].replace("%%", "%"),
        no_new_privileges=keys.get("NoNewPrivileges") == ["true"],
    )


def podman_labels(text: str) -> Read:
    labels = dict(re.findall(r"^LABEL ([a-z.]+)=(?:[\"'])(.*)(?:[\"'])$", text, re.MULTILINE))
    names = labels.get("io.containers.capabilities")
    document = labels.get("io.containers.seccomp.profile")
    rules = None if document is None else SeccompProfile.from_oci(json.loads(document))
    return Read(
        capabilities=None if names is None else capabilities(names.split(",") if names else []),
        rules=rules,
        calls=None if rules is None else frozenset(rules.allowed),
    )


def systemd(text: str) -> Read:
    keys = ini(text)
    filters = keys.get("SystemCallFilter")
    allowed = [value for value in filters or [] if not value.startswith("~")]
    return Read(
        capabilities=words(keys["CapabilityBoundingSet"]),
        calls=None if filters is None else words(allowed),
        no_new_privileges=keys.get("NoNewPrivileges") == ["yes"],
    )


def nspawn(text: str) -> Read:
    """Of the calls, those in the last list: before it stand those of nspawn itself."""
    keys = ini(text)
    assert words(keys.get("Capability")) == EVERYTHING - words(keys.get("DropCapability"))
    own = text.rpartition("# what was granted")[2]
    return Read(
        capabilities=words(keys.get("Capability")),
        calls=words(ini(own)["SystemCallFilter"]) if "SystemCallFilter" in keys else None,
        no_new_privileges=keys.get("NoNewPrivileges") == ["yes"],
    )


def oci(text: str) -> Read:
    document = json.loads(text)
    rules = SeccompProfile.from_oci(document["linux"]["seccomp"])
    return Read(
        capabilities=frozenset(document["process"]["capabilities"]["bounding"]),
        rules=rules,
        calls=frozenset(rules.allowed),
        no_new_privileges=document["process"].get("noNewPrivileges", False),
    )


def apparmor(text: str) -> Read:
    return Read(capabilities=capabilities(re.findall(r"^  capability (\w+),$", text, re.MULTILINE)))


READERS: Mapping[str, Callable[[str], Read]] = {
    "docker-seccomp": docker_seccomp,
    "docker-run": run_script,
    "compose": compose,
    "kubernetes": kubernetes,
    "security-profiles-operator": security_profiles_operator,
    "podman-run": run_script,
    "quadlet": quadlet,
    "podman-labels": podman_labels,
    "systemd": systemd,
    "nspawn": nspawn,
    "oci": oci,
    "apparmor": apparmor,
}
