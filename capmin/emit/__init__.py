"""Emitters: a profile as the files that other programs read, one module a format."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from capmin.emit import docker_run, docker_seccomp
from capmin.emit.files import FILE_NAMES, file_name
from capmin.errors import UsageError
from capmin.profile import Profile

Emitter = Callable[[Profile], str]

EMITTERS: Mapping[str, Emitter] = MappingProxyType(
    {
        "docker-seccomp": docker_seccomp.emit,
        "docker-run": docker_run.emit,
    }
)
"""Every format by name. An emitter raises `UsageError` where the profile lacks what the format is about."""

__all__ = ["EMITTERS", "FILE_NAMES", "Emitter", "emit", "file_name", "write"]


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
    text = emit(profile, file_format)
    path = directory / file_name(file_format, profile.strictness)
    try:
        _replace(path, text, mode=0o755 if path.suffix == ".sh" else 0o644)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
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
