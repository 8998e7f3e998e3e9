"""Volumes of the runc engine: a tmpfs each, filled from the image at first use as Docker does."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from capmin.engines import Mount, Volume
from capmin.engines._process import run
from capmin.engines.in_root import open_in_root
from capmin.engines.overlay import mount_volume, unmount


@contextlib.contextmanager
def new_volume(state: Path) -> Iterator[Volume]:
    """An empty volume below an engine's state directory, until the end of the block.

    Raises:
        EngineError: the kernel refuses, with its reason.
    """
    path = state / f"volume-{secrets.token_hex(6)}"
    try:
        mount_volume(path)
        yield Volume(handle=str(path))
    finally:
        unmount(path)


def fill_volumes(mounts: tuple[Mount, ...], root: Path) -> None:
    """Copy what an image, seen at ``root``, has at the targets of empty volumes.

    Also owner and mode of the directory itself (moby daemon/volumes_unix.go, copyExistingContents).

    Raises:
        EngineError: it cannot be copied: the volume, a tmpfs, is full.
    """
    for mount in mounts:
        if isinstance(mount.source, Volume):
            _fill(Path(mount.source.handle), root, mount.target)


def _fill(volume: Path, root: Path, target: str) -> None:
    if any(volume.iterdir()):
        return
    try:
        source = open_in_root(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # the image has nothing there
    try:
        if os.listdir(source):  # noqa: PTH208 (a descriptor, and not a path)
            # With extended attributes, hard links, devices; some 5 ms for the process.
            run(["cp", "--archive", f"/proc/{os.getpid()}/fd/{source}/.", str(volume)])
        else:
            status = os.fstat(source)
            os.chown(volume, status.st_uid, status.st_gid)
            volume.chmod(status.st_mode & 0o7777)
    finally:
        os.close(source)


def place_of(path: str, mounts: tuple[Mount, ...], root: Path) -> tuple[Path, str] | None:
    """Where a path of a container that has ended is on the host: a directory, and the way from there.

    None where it was on a tmpfs.
    """
    inner = sorted(mounts, key=lambda mount: len(mount.target), reverse=True)
    for mount in inner:
        if path == mount.target or path.startswith(mount.target.rstrip("/") + "/"):
            if mount.source is None:
                return None
            source = Path(mount.source.handle) if isinstance(mount.source, Volume) else mount.source
            rest = path.removeprefix(mount.target)
            return (source, rest) if source.is_dir() else (source.parent, source.name)
    return root, path
