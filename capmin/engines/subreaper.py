"""Being the parent of processes whose own parent has ended (prctl(2), PR_SET_CHILD_SUBREAPER).

`runc create` ends when the container is ready, and only a parent learns how the container ends. `runc run`
would stay as the parent, but it then puts pipes of its own in the place of stdin, stdout and stderr, where
Docker gives /dev/null and the log's pipes, and copies every byte.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator

from capmin.errors import EngineError

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)
_lock = threading.Lock()
_holders = 0


@contextlib.contextmanager
def orphans_come_here() -> Iterator[None]:
    """Until the end of the block (of the last one, if there are several) orphans become our children.

    It holds for the whole process: orphans of other programs that it started stay as zombies until it ends.
    """
    _hold(1)
    try:
        yield
    finally:
        _hold(-1)


def _hold(change: int) -> None:
    global _holders  # noqa: PLW0603 (the kernel keeps one flag a process; this counts who wants it)
    with _lock:
        _holders += change
        if _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(_holders > 0), 0, 0, 0) != 0:
            raise EngineError(f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(ctypes.get_errno())}")
