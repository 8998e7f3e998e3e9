"""Time in a launch: how long each phase took, its limit, and what of it was waiting."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping

from capmin.engines import Container, Exit
from capmin.patience import HOST, Patience, stalled_s
from capmin.play.broken import Broken
from capmin.play.pressure import Pressure

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.02
"""Between two attempts: from what a probe of capmin's own costs to what launching one does."""

SETTLE_S = 0.02
"""After a test has passed: what was about to die of its lacks is dead then, or its master with it."""

LONGEST_SETTLE_S = 0.3
LEAST_SETTLE_S = 0.002

SLICE_S = 0.05
"""How long the end of a test is waited for before looking whether the service still runs."""


class Clock:
    """The phases of one launch, each with its limit in seconds; none is extended beyond ``longest_s``."""

    def __init__(self, limit_s: float, phase_limits_s: Mapping[str, float], longest_s: float) -> None:
        self.started = time.monotonic()
        self.waited_s = 0.0
        self.phase = ""
        self._limit_s = limit_s
        self._phase_limits_s = phase_limits_s
        self._phases: list[tuple[str, float]] = []
        self._longest_s = longest_s
        self._stalled_before_s = stalled_s(HOST)
        self.pressure = Pressure()
        self._patience = Patience(limit_s, longest_s, lost_s=self.pressure.lost_s)

    @contextlib.contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """The block is that phase; the second of a name gets a number."""
        earlier = sum(name.partition(" ")[0] == phase for name, _ in self._phases)
        self.phase = f"{phase} {earlier + 1}" if earlier else str(phase)
        limit_s = self._phase_limits_s.get(self.phase, self._limit_s)
        self._patience = Patience(limit_s, self._longest_s, lost_s=self.pressure.lost_s)
        begun = time.monotonic()
        try:
            yield
        finally:
            self._phases.append((self.phase, time.monotonic() - begun))

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What capmin does for itself in the block takes nothing of the phase's limit.

        Reading what was traced of postgres takes 0.15 s of a restart that takes 0.1 s without, and which is
        all that its limit knows of: that comes from launches that are not observed.
        """
        begun = time.monotonic()
        try:
            yield
        finally:
            self._patience.excuse(time.monotonic() - begun)

    @property
    def phases_s(self) -> tuple[tuple[str, float], ...]:
        return tuple(self._phases)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    @property
    def stalled_s(self) -> float:
        """How long some task of the host waited for a processor; all the time where nobody can tell."""
        if self._stalled_before_s is None or (now := stalled_s(HOST)) is None:
            return self.elapsed_s
        return now - self._stalled_before_s

    def left_s(self) -> float:
        return self._patience.left_s()

    def until(self, holds: Callable[[], bool], pause: Callable[[float], None]) -> None:
        """Ask again and again; ``pause`` spends the time in between, and raises where there is no use in it.

        Raises:
            Broken: the phase has taken too long.
        """
        pause_s = FIRST_PAUSE_S
        begun, waited_s = time.monotonic(), self.waited_s
        while not holds():
            if self.left_s() == 0.0:
                self.waited_s = waited_s + time.monotonic() - begun
                raise Broken
            pause(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 1.5 * pause_s)
            # What the attempt itself has counted is in that time.
            self.waited_s = waited_s + time.monotonic() - begun

    def end_of(self, container: Container, most_s: float = math.inf) -> Exit | None:
        """How a container ends, within the phase and the time given; None: not in time."""
        begun = time.monotonic()
        while (left_s := min(self.left_s(), begun + most_s - time.monotonic())) > 0.0:
            if (end := container.wait(left_s)) is not None:
                return end
        return self._in_vain(container.wait(0.0), begun)

    def end_beside(self, container: Container, service: Container) -> Exit | None:
        """The same of what runs beside a service; None, too, soon after the service has ended."""
        begun = time.monotonic()
        while (left_s := self.left_s()) > 0.0:
            # What depends on the service may have noticed its end, and be about to say so.
            gone = service.wait(0.0) is not None
            if (end := container.wait(min(left_s, SLICE_S))) is not None or gone:
                return end
        return self._in_vain(container.wait(0.0), begun)

    def settle(self, container: Container) -> Exit | None:
        """Leave a container alone for a moment; how it ended, where it did.

        What a busy machine takes of that moment is given again: what waits for a processor can neither die
        of its lacks, nor spin for them, nor start the rest of its programs. With 20 tasks for two processors
        nginx without rt_sigsuspend passed before its master had begun to spin.
        """
        given_s, owed_s = 0.0, SETTLE_S
        with self.pressure.on_host():
            while owed_s >= LEAST_SETTLE_S and given_s < LONGEST_SETTLE_S:
                before_s = self.pressure.lost_s()
                if (end := container.wait(owed_s)) is not None:
                    return end
                given_s += owed_s
                now_s = self.pressure.lost_s()
                owed_s = 0.0 if before_s is None or now_s is None else min(owed_s, now_s - before_s)
        return None

    def _in_vain(self, end: Exit | None, begun: float) -> Exit | None:
        """An end at the last moment, or none, in which case all since ``begun`` was waiting."""
        if end is None:
            self.waited_s += time.monotonic() - begun
        return end
