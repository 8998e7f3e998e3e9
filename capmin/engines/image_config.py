"""The configuration that comes with an image (OCI image-spec, config.md), and what capmin reads from it."""

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from capmin.engines import Image
from capmin.errors import ImageError
from capmin.scenario import SHELL

Document = Mapping[str, Any]
"""An image configuration as parsed from JSON: ``architecture``, ``os``, ``config``, ``rootfs``."""

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Docker puts into the environment of a container whose image sets no PATH."""

# Kernel names (uname -m) on the left, GOARCH names, which image configurations use, on the right.
_GOARCH = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "loongarch64": "loong64",
}

# What a 64-bit kernel also runs.
_COMPATIBLE = {"amd64": {"amd64", "386"}, "arm64": {"arm64", "arm"}}


def host_architecture() -> str:
    """This host's architecture as image configurations spell it: amd64, arm64."""
    machine = platform.machine()
    return _GOARCH.get(machine, machine)


def plain_document(**config: Any) -> Document:  # noqa: ANN401 - the values of a JSON document
    """The configuration of a root file system that came without one; ``config`` in OCI's spelling."""
    environment = list(config.pop("Env", ()))
    if not any(entry.startswith("PATH=") for entry in environment):
        environment.insert(0, DEFAULT_PATH)
    return {"architecture": host_architecture(), "os": "linux", "config": {"Env": environment, **config}}


def check_platform(document: Document, reference: str) -> None:
    """See that this host can run the image at all.

    Raises:
        ImageError: it is for another architecture or operating system.
    """
    here = host_architecture()
    system = document.get("os") or "linux"
    architecture = document.get("architecture") or here
    if system != "linux" or architecture not in _COMPATIBLE.get(here, {here}):
        raise ImageError(
            f"{reference} is an image for {system}/{architecture}, and this host runs linux/{here}:\n"
            f"use one built for linux/{here}"
        )


def image_from_document(reference: str, digest: str, handle: str, document: Document) -> Image:
    """Read what capmin needs; absent and null mean the same, as they do to Docker."""
    config = document.get("config") or {}
    return Image(
        reference=reference,
        digest=digest,
        handle=handle,
        entrypoint=_words(config.get("Entrypoint")),
        cmd=_words(config.get("Cmd")),
        environment=_words(config.get("Env")),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        stop_signal=config.get("StopSignal") or "SIGTERM",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or ())),
        healthcheck=healthcheck(config),
    )


def healthcheck(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The command of Docker's ``Healthcheck``, which OCI does not have; none where there is none."""
    kind, *words = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    match kind:
        case "CMD":
            return tuple(words)
        case "CMD-SHELL":
            return (*SHELL, *words)
        case _:
            return ()


def document_from_image(image: Image, diff_id: str) -> Document:
    """The configuration of a one-layer image made of ``image``'s root file system.

    ``diff_id`` is the digest of the uncompressed layer.
    """
    config: dict[str, Any] = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.cmd),
        "Env": list(image.environment),
        "User": image.user,
        "WorkingDir": image.working_dir,
        "StopSignal": image.stop_signal,
        "Volumes": {volume: {} for volume in image.volumes},
        "ExposedPorts": {port: {} for port in image.exposed_ports},
        "Healthcheck": {"Test": ["CMD", *image.healthcheck]} if image.healthcheck else None,
    }
    return {
        "architecture": host_architecture(),
        "os": "linux",
        "config": {key: value for key, value in config.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "capmin"}],
    }


def _words(value: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(value or ())
