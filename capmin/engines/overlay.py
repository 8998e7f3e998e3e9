"""Mounts: a fresh, throw-away view of an image for each launch, through mount(2) and umount2(2).

Each takes well under 1 ms; mount(8) would cost a process.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capmin.engines.in_root import open_in_root
from capmin.errors import EngineError

_MNT_DETACH = 2
_MS_NOSUID = 2
_MS_NODEV = 4
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """A launch's own directory on a tmpfs of its own: ``root`` is the image, writable; the rest is free."""

    path: Path

    @property
    def root(self) -> Path:
        return self.path / "root"


def mount_tmpfs(path: Path) -> None:
    """Mount an empty tmpfs that only root may enter.

    Raises:
        EngineError: the kernel refuses, with its reason.
    """
    _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=700")


def mount_overlay(path: Path, image_root: Path) -> Overlay:
    """Make ``path`` an overlay over an unpacked image, as Docker's overlay2 has it.

    Upper layer, work directory and whatever the engine puts beside them are on one new tmpfs at ``path``,
    so that a single unmount takes everything back, however much the container wrote.

    Raises:
        EngineError: the kernel refuses, with its reason.
    """
    path.mkdir()
    # Device nodes and setuid files of the container are made in the upper layer: no nosuid, no nodev.
    _mount("tmpfs", path, "tmpfs", 0, "mode=700")
    try:
        return _overlay_on(path, image_root)
    except BaseException:
        unmount(path)
        raise


def _overlay_on(path: Path, image_root: Path) -> Overlay:
    overlay = Overlay(path=path)
    for name in ("upper", "work", "root"):
        (path / name).mkdir()
    _copy_attributes(image_root, path / "upper")
    layers = f"lowerdir={_escaped(image_root)},upperdir={_escaped(path / 'upper')}"
    _mount("overlay", overlay.root, "overlay", 0, f"{layers},workdir={_escaped(path / 'work')}")
    _put_dockers_files(overlay.root)
    return overlay


def mount_volume(path: Path) -> None:
    """Make ``path`` an empty file system for containers to share: setuid files and devices count in it.

    Raises:
        EngineError: the kernel refuses, with its reason.
    """
    path.mkdir()
    _mount("tmpfs", path, "tmpfs", 0, "mode=755")


def unmount(path: Path) -> None:
    """Take a mount and those below it away, at once or when the last user is gone; and the directory."""
    _libc.umount2(os.fsencode(path), _MNT_DETACH)
    with contextlib.suppress(OSError):
        path.rmdir()


def _mount(source: str, target: Path, kind: str, flags: int, data: str) -> None:
    arguments = (source.encode(), os.fsencode(target), kind.encode(), flags, os.fsencode(data))
    if _libc.mount(*arguments) != 0:
        code = ctypes.get_errno()
        advice = "capmin needs root for this" if code == errno.EPERM else "capmin doctor checks for this"
        raise EngineError(f"cannot mount {kind} on {target}: {os.strerror(code)}\n{advice}")


def _copy_attributes(source: Path, target: Path) -> None:
    """The upper layer's root decides the mode and the owner of the container's ``/``."""
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)


def _put_dockers_files(root: Path) -> None:
    """What Docker's init layer holds (moby daemon/initlayer/setup_unix.go), as far as mounts do not hide it.

    The files that are bind-mounted are emptied there, so that a symbolic link of the image in their place is
    not followed by the mount.
    """
    with contextlib.suppress(OSError):
        (root / "etc").mkdir(mode=0o755)
    with _opened(root, ".dockerenv", os.O_CREAT | os.O_WRONLY) as marker:
        os.fchmod(marker, 0o755)
    with _opened(root, "etc", os.O_RDONLY | os.O_DIRECTORY) as etc:
        for name in ("hosts", "hostname", "resolv.conf", "mtab"):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=etc)
        os.symlink("/proc/mounts", "mtab", dir_fd=etc)


@contextlib.contextmanager
def _opened(root: Path, name: str, flags: int) -> Iterator[int]:
    try:
        descriptor = open_in_root(root, name, flags, 0o755 if flags & os.O_CREAT else 0)
    except OSError as error:
        raise EngineError(f"the image cannot be prepared: /{name}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _escaped(path: Path) -> str:
    """A path as overlayfs takes it in its option string (fs/overlayfs/params.c)."""
    text = str(path)
    for special in "\\,:":
        text = text.replace(special, "\\" + special)
    return text
