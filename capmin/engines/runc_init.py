"""The container's own process, as runc's child: held by a descriptor, as numbers are reused."""

import contextlib
import os
import signal as signals
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capmin.engines._process import wait_readable
from capmin.observe.status import process_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Init:
    """A container's first process, by its number on the host and a pidfd."""

    pid: int
    pidfd: int

    @classmethod
    def of_pid_file(cls, path: Path, *, parent: int) -> "Init | None":
        """The process named in runc's pid file, if it is still there: a child of runc's, which reaps it."""
        pid = int(path.read_text())
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        facts = process_of(pid)
        if facts is None or facts.parent != parent:
            os.close(pidfd)
            return None
        return cls(pid=pid, pidfd=pidfd)

    def is_alive(self) -> bool:
        return not wait_readable([self.pidfd], 0)

    def send(self, signal: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signals.pidfd_send_signal(self.pidfd, signal)

    @contextlib.contextmanager
    def network_namespace(self) -> Iterator[str | None]:
        """A path to its network namespace, good until the end of the block; None where it has ended."""
        try:
            descriptor = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            # Alive only now: the number was its own as the namespace was opened.
            yield f"/proc/{os.getpid()}/fd/{descriptor}" if self.is_alive() else None
        finally:
            os.close(descriptor)

    def close(self) -> None:
        os.close(self.pidfd)
