"""The container's own process, held by a pidfd, so that its number cannot be taken for another's."""

import contextlib
import os
import signal as signals
from collections.abc import Iterator
from pathlib import Path

from capmin.engines._process import wait_readable
from capmin.observe.status import RUNTIME_PREFIX, program_of


class Init:
    """A container's first process; its parent does not reap it before `close`."""

    def __init__(self, *, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._fifo = -1

    def let_go(self, fifo: Path) -> None:
        """Have it execute its program: that is all that `runc start` does, in a process of 10 ms.

        runc's init opens this FIFO to write one byte, which blocks until there is a reader
        (standard_init_linux.go). The end stays open here, so that nobody has to wait for that.
        """
        self._fifo = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def has_ended(self, limit_s: float) -> bool:
        """Whether it has ended by the limit."""
        return bool(wait_readable([self._pidfd], limit_s))

    def became_program(self) -> bool:
        """Whether execve succeeded: until then the kernel shows the name that runc gave it."""
        return not program_of(self.pid).startswith(RUNTIME_PREFIX)

    def send(self, signal: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signals.pidfd_send_signal(self._pidfd, signal)

    @contextlib.contextmanager
    def network_namespace(self) -> Iterator[str | None]:
        """A path to its network namespace, good until the end of the block; None where it has ended."""
        try:
            descriptor = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            yield f"/proc/{os.getpid()}/fd/{descriptor}"
        finally:
            os.close(descriptor)

    def close(self) -> None:
        os.close(self._pidfd)
        if self._fifo >= 0:
            os.close(self._fifo)
