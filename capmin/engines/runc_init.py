"""The container's own process: a child of ours once runc has ended, held by a pidfd."""

import contextlib
import os
import signal as signals
from collections.abc import Iterator
from pathlib import Path

from capmin.engines._process import wait_readable
from capmin.observe.status import RUNTIME_PREFIX, program_of


class Init:
    """A container's first process, by its number on the host and a pidfd.

    It is not reaped before `close`, so that its number stays its own.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._fifo = -1

    @classmethod
    def of_pid_file(cls, path: Path) -> "Init | None":
        """The process named in the pid file of a runc that has ended; None where it wrote none."""
        try:
            return cls(int(path.read_text()))
        except FileNotFoundError:
            return None

    def let_go(self, fifo: Path) -> None:
        """Have it execute its program: that is all that `runc start` does, in a process of 10 ms.

        runc's init opens this FIFO to write one byte, which blocks until there is a reader
        (standard_init_linux.go). The end stays open here, so that nobody has to wait for that.
        """
        self._fifo = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, limit_s: float) -> int | None:
        """Its exit code as a shell gives it (128 + signal), or None where it runs on after the limit."""
        if not wait_readable([self._pidfd], limit_s):
            return None
        # WNOWAIT: it stays a zombie, for `signal` and `network_namespace` in other threads.
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status

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

    def close(self, limit_s: float) -> bool:
        """Kill it, and wait for the end of all that ran in its pid namespace; whether that came in time."""
        self.send(signals.SIGKILL)
        ended = self.wait(limit_s) is not None
        if ended:
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)
        if self._fifo >= 0:
            os.close(self._fifo)
        return ended
