"""Running host programs: the only user of `subprocess`. Argument lists only, never a shell."""

import logging
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
