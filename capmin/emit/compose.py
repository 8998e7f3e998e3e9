"""``compose.override.yaml``: what to lay over a Compose file (compose-spec, 13-merge.md).

A later file's ``cap_drop``, ``cap_add`` and ``security_opt`` are added to the first one's lists; so a
capability that the first file adds stays added. A mount takes the place of the first file's at the same
path: so it becomes read-only, and so a volume of another name would hide the data, which the head says.
"""

from typing import Any

from capmin.emit import provenance, yaml_text
from capmin.emit.files import file_name
from capmin.emit.names import label
from capmin.mounting import MountKind, ServiceMount
from capmin.profile import Profile


def emit(profile: Profile) -> str:
    """The YAML text; the seccomp document is expected in the project's directory."""
    name = file_name("compose", profile.strictness)
    document: dict[str, Any] = {"services": {label(profile): service(profile)}}
    if volumes := named_volumes(profile):
        document["volumes"] = dict.fromkeys(volumes)
    return (
        provenance.comment(profile)
        + f"# Use: docker compose -f compose.yaml -f {name} up\n"
        + "# The service must have the name that it has in compose.yaml, whose cap_add stays.\n"
        + (_ABOUT_MOUNTS if profile.mounts else "")
        + yaml_text.dump(document)
    )


_ABOUT_MOUNTS = """\
# The mounts are those of the tests, each in place of what compose.yaml has at the same path: where your
# data is in a volume of another name, write that name here, or delete the mount.
"""


def service(profile: Profile) -> dict[str, Any]:
    """The privileges of a service, and what it has mounted."""
    keys: dict[str, Any] = {}
    if profile.capabilities is not None:
        keys["cap_drop"] = ["ALL"]
        if profile.capabilities:
            keys["cap_add"] = [name.removeprefix("CAP_") for name in sorted(profile.capabilities)]
    options = []
    if profile.required is not None:
        options.append(f"seccomp=./{file_name('docker-seccomp', profile.strictness)}")
    if profile.no_new_privileges:
        options.append("no-new-privileges:true")
    if options:
        keys["security_opt"] = options
    if profile.mounts:
        keys["volumes"] = [_mount(mount) for mount in profile.mounts]
    return keys


def named_volumes(profile: Profile) -> tuple[str, ...]:
    """The volumes that the project has to declare."""
    sources = (mount.source for mount in profile.mounts if mount.kind is MountKind.VOLUME)
    return tuple(dict.fromkeys(sources))


def _mount(mount: ServiceMount) -> dict[str, Any]:
    """In the long form, in which no character of a path has a meaning but ``$``.

    A path of the host has to exist: by default Compose makes an empty directory of one that does not.
    """
    keys: dict[str, Any] = {"type": mount.kind.value}
    if mount.kind is not MountKind.TMPFS:
        keys["source"] = _literal(mount.source)
    keys["target"] = _literal(mount.target)
    if mount.read_only:
        keys["read_only"] = True
    if mount.kind is MountKind.BIND:
        keys["bind"] = {"create_host_path": False}
    return keys


def _literal(text: str) -> str:
    """A text that Compose puts no variable into."""
    return text.replace("$", "$$")
