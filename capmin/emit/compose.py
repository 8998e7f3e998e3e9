"""``compose.override.yaml``: what to lay over a Compose file (compose-spec, 13-merge.md).

A later file's ``cap_drop``, ``cap_add`` and ``security_opt`` are added to the first one's lists; so a
capability that the first file adds stays added. Volumes are left alone: one here would replace the
first file's at the same place, with the data in it.
"""

from typing import Any

from capmin.emit import provenance, yaml_text
from capmin.emit.files import file_name
from capmin.emit.names import label
from capmin.profile import Profile


def emit(profile: Profile) -> str:
    """The YAML text; the seccomp document is expected in the project's directory."""
    name = file_name("compose", profile.strictness)
    return (
        provenance.comment(profile)
        + f"# Use: docker compose -f compose.yaml -f {name} up\n"
        + "# The service must have the name that it has in compose.yaml, whose cap_add and volumes stay.\n"
        + yaml_text.dump({"services": {label(profile): service(profile)}})
    )


def service(profile: Profile) -> dict[str, Any]:
    """The privileges of a service."""
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
    return keys
