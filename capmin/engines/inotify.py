"""Waiting for a file to appear, without polling (inotify(7))."""

import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.errors import EngineError

_IN_MOVED_TO = 0x80
_libc = ctypes.CDLL(None, use_errno=True)


class MoveWatch:
    """A descriptor that can be read once a file was moved into a directory.

    Raises:
        EngineError: the user's limit on inotify instances is reached.
    """

    def __init__(self, directory: Path) -> None:
        self.descriptor: int = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if (
            self.descriptor < 0
            or _libc.inotify_add_watch(self.descriptor, os.fsencode(directory), _IN_MOVED_TO) < 0
        ):
            raise EngineError(f"cannot watch {directory}: {os.strerror(ctypes.get_errno())}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
