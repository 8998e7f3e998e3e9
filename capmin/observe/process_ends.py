"""How the processes of a container ended, and what each was denied before that."""

import threading
import time
from dataclasses import dataclass, field, replace

from capmin.observe.status import is_alive, leader_of
from capmin.privileges import Syscall
from capmin.trial import End

ENDS_LIMIT = 256
"""A crash loop may have thousands; the first tell what it is about."""


@dataclass(kw_only=True, slots=True)
class _Process:
    program: str
    denied: dict[Syscall, None] = field(default_factory=dict)
    last: float = 0.0

    def end(self, code: int | None, at: float) -> End:
        return End(program=self.program, code=code, denied=tuple(self.denied), at_s=at)


class ProcessEnds:
    """Notes which process was denied what, and how it ended. Written by one thread, read by any.

    exit_group is notified, so that the exit code is known; being killed is not. Who was killed is gone when
    another process ends, mostly the one that waited for it: that is when it is looked for. Processes that
    were denied nothing and end with 0 are left out.
    """

    def __init__(self) -> None:
        self._leaders: dict[int, int] = {}
        self._living: dict[int, _Process] = {}
        self._ended: list[End] = []
        self._lock = threading.Lock()

    def denied(self, pid: int, program: str, name: Syscall) -> None:
        """Note that a thread was denied a call."""
        with self._lock:
            process = self._living.setdefault(self._leader(pid), _Process(program=program))
            process.program, process.last = program, time.monotonic()
            process.denied.pop(name, None)
            process.denied[name] = None

    def exits(self, pid: int, program: str, code: int) -> None:
        """Note that a thread is about to end its process."""
        with self._lock:
            process = self._living.pop(self._leader(pid), None) or _Process(program=program)
            process.program = program
            if process.denied or code != 0:
                self._note_killed()
                self._note(process.end(code, time.monotonic()))

    def ends(self, *, since: float) -> tuple[End, ...]:
        """The ends in their order, then those of processes that were still there, or killed unseen.

        Times are in seconds after ``since`` (time.monotonic).
        """
        with self._lock:
            left = sorted(self._living.values(), key=lambda process: -process.last)
            ends = [*self._ended, *(process.end(None, process.last) for process in left)]
        return tuple(replace(end, at_s=end.at_s - since) for end in ends[:ENDS_LIMIT])

    def _leader(self, pid: int) -> int:
        """The process of a thread; remembered, as it costs more than the rest of a notification."""
        if pid not in self._leaders:
            self._leaders[pid] = leader_of(pid)
        return self._leaders[pid]

    def _note_killed(self) -> None:
        gone = [(leader, process) for leader, process in self._living.items() if not is_alive(leader)]
        for leader, process in sorted(gone, key=lambda each: each[1].last):
            del self._living[leader]
            self._note(process.end(None, process.last))

    def _note(self, end: End) -> None:
        if len(self._ended) < ENDS_LIMIT:
            self._ended.append(end)
