"""Running host programs: the only user of `subprocess`. Argument lists only, never a shell."""

import contextlib
import logging
import math
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from capmin.errors import EngineError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A program that ran to its end."""

    exit_code: int
    stdout: str
    stderr: str


def run(
    arguments: Sequence[str],
    *,
    limit_s: float = 600.0,
    environment: Mapping[str, str] | None = None,
    may_fail: bool = False,
) -> Completed:
    """Run a program to its end, its input closed and its output captured.

    Raises:
        EngineError: it is not installed, took longer than ``limit_s``, or failed and may not. The message
            holds the last line that it wrote; the command is logged, ready to paste.
    """
    try:
        done = subprocess.run(
            list(arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            env=environment,
            check=False,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise EngineError(f"{arguments[0]} is not installed (capmin doctor says what to install)") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{arguments[0]} did not end within {limit_s:g} s: {shlex.join(arguments)}"
        ) from error
    if done.returncode != 0:
        _log.debug("exit %d: %s\n%s", done.returncode, shlex.join(arguments), done.stderr)
        if not may_fail:
            words = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise EngineError(f"{arguments[0]} failed (exit {done.returncode}): {words}")
    return Completed(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


class Running:
    """A program that runs beside this process, in a session of its own: Ctrl-C does not reach it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.pidfd = os.pidfd_open(process.pid)

    def wait(self, limit_s: float) -> int | None:
        """Its exit code (negative: the signal that ended it), or None where it runs on after the limit.

        `subprocess.Popen.wait` with a limit polls with sleeps of up to 50 ms; a pidfd does not.
        """
        if self._process.returncode is None and wait_readable([self.pidfd], limit_s):
            self._process.wait()
        return self._process.returncode

    def kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """End it if it runs on, and let go of it."""
        self.kill()
        self._process.wait()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def spawn(
    arguments: Sequence[str],
    *,
    standard_input: int | None = None,
    output: int | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path = Path("/"),
) -> Running:
    """Start a program. Its input is a descriptor, which stays the caller's, or empty.

    Its stdout and stderr both go to the descriptor ``output``, or are dropped.

    Raises:
        EngineError: it is not installed.
    """
    try:
        return Running(
            subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL if standard_input is None else standard_input,
                stdout=subprocess.DEVNULL if output is None else output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=directory,
                env=environment,
                bufsize=0,
            )
        )
    except FileNotFoundError as error:
        raise EngineError(f"{arguments[0]} is not installed (capmin doctor says what to install)") from error


def wait_readable(descriptors: Sequence[int], limit_s: float) -> list[int]:
    """The descriptors that can be read (a pidfd: the process has ended), none where the limit has passed."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + limit_s
    while True:
        # poll counts in milliseconds, and in 32 bits: a limit of weeks is waited for in parts.
        remaining_s = min(max(deadline - time.monotonic(), 0.0), 1e6)
        ready = [descriptor for descriptor, _ in poll.poll(math.ceil(remaining_s * 1000))]
        if ready or time.monotonic() >= deadline:
            return ready
