"""What belongs into the config.json of a runtime bundle (OCI runtime-spec, config.md and config-linux.md)."""

import json
from typing import Any

from capmin.emit import provenance
from capmin.emit.image_user import is_root
from capmin.profile import Profile
from capmin.seccomp import docker_default

ANNOTATION = "io.capmin.profile"
"""Says where the document comes from: JSON has no comments."""


def emit(profile: Profile) -> str:
    """The JSON text, to be laid over a config.json; without comments, as the format has none.

    What was not searched is stated too, as Docker's default: a bundle's own default is no filter at all.
    """
    return json.dumps(document(profile), indent=1) + "\n"


def document(profile: Profile) -> dict[str, Any]:
    """The keys of a config.json that are about privileges."""
    process: dict[str, Any] = {"capabilities": _capabilities(profile)}
    if profile.no_new_privileges:
        process["noNewPrivileges"] = True
    return {
        "ociVersion": "1.0.2",
        "annotations": {ANNOTATION: "; ".join(provenance.lines(profile))},
        "process": process,
        "linux": {"seccomp": _seccomp(profile)},
    }


def _capabilities(profile: Profile) -> dict[str, list[str]]:
    """As Docker does (moby oci/oci.go, SetCapabilities): others than root get the bounding set only."""
    names: list[str] = sorted(profile.granted)
    own = names if is_root(profile.user) else []
    return {"bounding": names, "effective": own, "permitted": own, "inheritable": [], "ambient": []}


def _seccomp(profile: Profile) -> dict[str, Any]:
    if profile.required is None:
        return docker_default(profile.granted, profile.architecture).to_oci()
    return profile.seccomp().to_oci()
