"""How long to wait for a launch: a limit, and more of it where a busy machine makes it slow."""

import math
import time
from collections.abc import Callable
from pathlib import Path

HOST = Path("/proc/pressure/cpu")
EXTENSION = 3.0
"""A limit becomes this many times as long at most."""


class Patience:
    """A limit in seconds, from now on.

    A launch that breaks by waiting for ever is most of what a search waits for, so limits are short: a
    multiple of what the launch usually takes. On a busy machine that would be too short, and a privilege
    would be kept for nothing. So what the machine took does not count: ``lost_s`` tells, in seconds that only
    grow; where it cannot (None), that is all of the time. It never waits longer than ``longest_s``, which the
    user has set.
    """

    def __init__(
        self, limit_s: float, longest_s: float = math.inf, *, lost_s: Callable[[], float | None]
    ) -> None:
        self._started = time.monotonic()
        self._lost_s = lost_s
        self._lost_before_s = lost_s()
        self._limit_s = limit_s
        self._longest_s = min(limit_s * EXTENSION, longest_s)

    def excuse(self, took_s: float) -> None:
        """Count so many of the seconds that have gone by for nothing."""
        self._started += took_s

    def left_s(self) -> float:
        """Seconds left, 0.0 where it has run out."""
        elapsed_s = time.monotonic() - self._started
        if elapsed_s < self._limit_s:
            return self._limit_s - elapsed_s
        return max(0.0, min(self._longest_s, self._limit_s + self._lost_of(elapsed_s)) - elapsed_s)

    def _lost_of(self, elapsed_s: float) -> float:
        if self._lost_before_s is None or (now := self._lost_s()) is None:
            return elapsed_s
        return now - self._lost_before_s


def stalled_s(pressure: Path) -> float | None:
    """Seconds in which some task waited for a processor; None where the kernel does not tell.

    ``pressure`` is a file with pressure stall information (Documentation/accounting/psi.rst): `HOST`, or
    cpu.pressure of a control group.
    """
    try:
        some = pressure.read_text().splitlines()[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2]) / 1e6
