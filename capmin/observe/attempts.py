"""Counting attempts: many alike become one, so that a storm of them costs no memory."""

import threading
import time
from dataclasses import dataclass

from capmin.privileges import Syscall
from capmin.trial import Attempt

KINDS_LIMIT = 4_096
"""A program may call itself something new at each call; above this many kinds its name is dropped."""

_Kind = tuple[Syscall, str, int | None]


@dataclass(kw_only=True, slots=True)
class _Tally:
    count: int
    first: float
    last: float


class AttemptCounter:
    """Counts attempts per call, program and answer. Written by one thread, read by any."""

    def __init__(self) -> None:
        self._tallies: dict[_Kind, _Tally] = {}
        self._lock = threading.Lock()

    def add(self, name: Syscall, program: str, errno: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            tally = self._tallies.get((name, program, errno))
            if tally is not None:
                tally.count += 1
                tally.last = now
            elif len(self._tallies) < KINDS_LIMIT or not program:
                self._tallies[name, program, errno] = _Tally(count=1, first=now, last=now)
                return
        if tally is None:
            self.add(name, "", errno)

    def attempts(self, *, since: float | None) -> tuple[Attempt, ...]:
        """What was counted, the earliest first, with times in seconds after ``since`` (time.monotonic).

        Without ``since`` the earliest attempt is at 0.
        """
        with self._lock:
            counted = [(kind, tally.count, tally.first, tally.last) for kind, tally in self._tallies.items()]
        start = min((first for _, _, first, _ in counted), default=0.0) if since is None else since
        return tuple(
            Attempt(
                privilege=name,
                syscall=name,
                program=program,
                errno=errno,
                count=count,
                first_s=first - start,
                last_s=last - start,
            )
            for (name, program, errno), count, first, last in sorted(counted, key=lambda entry: entry[2])
        )
