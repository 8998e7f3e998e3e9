"""Emitters: a profile as the files that other programs read, one module a format."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from capmin.emit import (
    apparmor,
    compose,
    docker_run,
    docker_seccomp,
    kubernetes,
    nspawn,
    oci,
    podman_labels,
    podman_run,
    quadlet,
    security_profiles_operator,
    systemd_unit,
)
from capmin.emit.files import FILE_NAMES, file_name
from capmin.errors import UsageError
from capmin.profile import Profile

Emitter = Callable[[Profile], str]

EMITTERS: Mapping[str, Emitter] = MappingProxyType(
    {
        "docker-seccomp": docker_seccomp.emit,
        "docker-run": docker_run.emit,
        "compose": compose.emit,
        "kubernetes": kubernetes.emit,
        "security-profiles-operator": security_profiles_operator.emit,
        "podman-run": podman_run.emit,
        "quadlet": quadlet.emit,
        "podman-labels": podman_labels.emit,
        "systemd": systemd_unit.emit,
        "nspawn": nspawn.emit,
        "oci": oci.emit,
        "apparmor": apparmor.emit,
    }
)
"""Every format by name. An emitter raises `UsageError` where the profile lacks what the format is about."""

__all__ = ["EMITTERS", "FILE_NAMES", "Emitter", "emit", "file_name", "put", "write", "write_all"]


def emit(profile: Profile, file_format: str) -> str:
    """The text of one format.

    Raises:
        UsageError: there is no such format, or the profile has nothing to say in it.
    """
    if file_format not in EMITTERS:
        raise UsageError(f"no format {file_format!r}; there are: {', '.join(sorted(EMITTERS))}")
    return EMITTERS[file_format](profile)


def write(profile: Profile, file_format: str, directory: Path) -> Path:
    """Write one format into a directory, under the name that it has there; scripts become executable.

    The file is replaced as a whole, so that it is never seen half-written: an interrupted search leaves the
    best profile so far.

    Raises:
        UsageError: as `emit`, or the directory cannot be written to.
    """
    path = directory / file_name(file_format, profile.strictness)
    put(path, emit(profile, file_format))
    return path


def put(path: Path, text: str) -> None:
    """Replace a file as a whole; a script becomes executable.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        _replace(path, text, mode=0o755 if path.suffix == ".sh" else 0o644)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def write_all(profile: Profile, directory: Path) -> dict[str, Path | UsageError]:
    """Write every format into a directory, made if need be.

    A format about something that was not searched has no file; the error tells why.

    Raises:
        UsageError: the directory cannot be made or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {directory}: {error.strerror or error}") from error
    return {file_format: _written(profile, file_format, directory) for file_format in EMITTERS}


def _written(profile: Profile, file_format: str, directory: Path) -> Path | UsageError:
    path = directory / file_name(file_format, profile.strictness)
    try:
        text = emit(profile, file_format)
    except UsageError as error:
        return error
    put(path, text)
    return path


def _replace(path: Path, text: str, *, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(mode)
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
