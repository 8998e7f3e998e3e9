"""How long to wait for a launch: a limit, and more of it where a busy machine makes all slow."""

import math
import time
from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")
BUSY_SHARE = 0.25
"""With tasks waiting for a processor this share of the time, a limit that has passed says nothing."""

EXTENSION = 3.0
"""Then it is this many times as long."""


class Patience:
    """A limit in seconds, from now on.

    A launch that breaks by waiting for ever is most of what a search waits for, so limits are short: a
    multiple of what the launch usually takes. On a busy machine that would be too short, and a privilege
    would be kept for nothing. The kernel tells how busy it was: pressure stall information
    (Documentation/accounting/psi.rst), "some" of cpu. Where it does not, the machine counts as busy. It
    never waits longer than ``longest_s``, which the user has set.
    """

    def __init__(self, limit_s: float, longest_s: float = math.inf) -> None:
        self._started = time.monotonic()
        self._stalled_before_s = _stalled_s()
        self._limit_s = limit_s
        self._longest_s = min(limit_s * EXTENSION, longest_s)

    def left_s(self) -> float:
        """Seconds left, 0.0 where it has run out."""
        elapsed = time.monotonic() - self._started
        if elapsed >= self._limit_s < self._longest_s and self._busy(elapsed):
            self._limit_s = self._longest_s
        return max(0.0, self._limit_s - elapsed)

    def stalled_s(self) -> float:
        """Seconds in which a task of the host waited for a processor; all of them where nobody can tell."""
        if self._stalled_before_s is None or (now := _stalled_s()) is None:
            return time.monotonic() - self._started
        return now - self._stalled_before_s

    def _busy(self, elapsed_s: float) -> bool:
        return self.stalled_s() > BUSY_SHARE * elapsed_s


def _stalled_s() -> float | None:
    """Seconds since boot in which some task waited for a processor."""
    try:
        some = _PRESSURE.read_text().splitlines()[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2]) / 1e6
