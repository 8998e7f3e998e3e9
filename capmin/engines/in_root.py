"""Opening files of an image from outside: its symbolic links must not lead out of it."""

import ctypes
import os
import stat
import struct
from pathlib import Path

_OPENAT2 = 437  # on every architecture: it is newer than the common table
_RESOLVE_IN_ROOT = 0x10
_libc = ctypes.CDLL(None, use_errno=True)


def open_in_root(root: Path, path: str, flags: int, mode: int = 0) -> int:
    """Open a file as a process with ``root`` as its root directory would: openat2(2), RESOLVE_IN_ROOT.

    Raises:
        OSError: as of os.open.
    """
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT)
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor: int = _libc.syscall(_OPENAT2, directory, os.fsencode(path), how, len(how))
        code = ctypes.get_errno()
    finally:
        os.close(directory)
    if descriptor < 0:
        raise OSError(code, os.strerror(code), path)
    return descriptor


def read_in_root(root: Path, path: str, limit_bytes: int) -> bytes | None:
    """The beginning of a file as a process with that root directory sees it; None where there is none."""
    try:
        descriptor = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit_bytes)
    finally:
        os.close(descriptor)
