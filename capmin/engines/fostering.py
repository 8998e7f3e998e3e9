"""Launching runc as a child of the foster parent (`capmin.engines.foster_parent`), and hearing of its end."""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.engines import foster_parent
from capmin.engines._process import spawn, wait_readable
from capmin.engines.runc_init import Init
from capmin.errors import EngineError

_REPORT_LIMIT_S = 10.0
"""A report is sent at once; that it does not come means that the foster parent is gone, or stopped."""


class Fostering:
    """The foster parent of an engine's containers; used from any thread.

    Raises:
        EngineError: it cannot be started.
    """

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._parent = spawn(
                [sys.executable, "-I", "-S", foster_parent.__file__], standard_input=theirs.fileno()
            )

    @property
    def pid(self) -> int:
        """The process whose child every runtime is, and every container in the end."""
        return self._parent.pid

    def launch(self, arguments: Sequence[str], pid_file: Path, output: int) -> "Fostered":
        """Start a runtime, its stdout and stderr at a descriptor, which stays the caller's.

        Raises:
            EngineError: it is not installed, or the foster parent is gone.
        """
        reports, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            request = json.dumps([list(arguments), str(pid_file)]).encode()
            try:
                socket.send_fds(self._requests, [request], [theirs.fileno(), output])
            except OSError as error:
                reports.close()
                raise _gone() from error
        try:
            return Fostered(reports)
        except BaseException:
            reports.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.close()
        self._parent.wait(_REPORT_LIMIT_S)
        self._parent.close()


class Fostered:
    """A runtime that was started, and the container that it makes."""

    def __init__(self, reports: socket.socket) -> None:
        self._reports = reports
        self._lock = threading.Lock()
        self._runtime_code: int | None = None
        self._code: int | None = None
        self._init: Init | None = None
        (pid, *errno), self._runtime = _report(reports)
        if not pid:
            raise EngineError(f"runc cannot be run: {os.strerror(errno[0])}")

    def runtime_code(self, limit_s: float) -> int | None:
        """The runtime's exit code (128 + signal), or None where it runs on after the limit."""
        if not wait_readable([self._runtime], limit_s):
            return None
        with self._lock:
            if self._runtime_code is None:
                (self._runtime_code, pid), pidfd = _report(self._reports)
                if pidfd >= 0:
                    self._init = Init(pid=pid, pidfd=pidfd)
            return self._runtime_code

    @property
    def init(self) -> Init | None:
        """The container's own process, if the runtime has ended and made one."""
        return self._init if self.runtime_code(0) is not None else None

    def code(self, limit_s: float) -> int | None:
        """The exit code of the container's own process, or of a runtime that made none; None: not ended."""
        deadline = time.monotonic() + limit_s
        runtime_code = self.runtime_code(limit_s)
        if runtime_code is None or self._init is None:
            return runtime_code
        if not self._init.has_ended(deadline - time.monotonic()):
            return None
        with self._lock:
            if self._code is None:
                (self._code,), _ = _report(self._reports)
            return self._code

    def close(self) -> None:
        """Let go: what still runs is killed, and its numbers are free again."""
        self._reports.close()
        os.close(self._runtime)
        if self._init is not None:
            self._init.close()


def _report(reports: socket.socket) -> tuple[list[int], int]:
    """The next report on a launch and the descriptor that came with it, or -1."""
    reports.settimeout(_REPORT_LIMIT_S)
    try:
        data, descriptors, _, _ = socket.recv_fds(reports, foster_parent.REQUEST_LIMIT_BYTES, 1)
    except OSError as error:
        raise _gone() from error
    if not data:
        raise _gone()
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    numbers: list[int] = json.loads(data)
    return numbers, descriptors[0] if descriptors else -1


def _gone() -> EngineError:
    return EngineError(
        "the process that runs containers has died: was it killed, or is the host out of memory?"
    )
