"""What the emitted files are called."""

from collections.abc import Mapping
from types import MappingProxyType

from capmin.profile import Strictness

FILE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "docker-seccomp": "seccomp.json",
        "docker-run": "run.sh",
        "compose": "compose.override.yaml",
        "kubernetes": "kubernetes.yaml",
        "security-profiles-operator": "seccompprofile.yaml",
        "podman-run": "podman-run.sh",
        "quadlet": "quadlet.container",
        "podman-labels": "labels.containerfile",
        "systemd": "systemd.conf",
        "nspawn": "machine.nspawn",
        "oci": "oci-config.json",
        "apparmor": "apparmor.profile",
    }
)
"""For each format, its file in the output directory."""


def file_name(file_format: str, strictness: Strictness = Strictness.MINIMAL) -> str:
    """The file of a format: ``seccomp.json``; with the other strictness ``seccomp-observed.json``."""
    name = FILE_NAMES[file_format]
    if strictness is Strictness.MINIMAL:
        return name
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{strictness}{dot}{suffix}"
