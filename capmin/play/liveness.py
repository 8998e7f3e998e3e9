"""What runs in a service: which programs, and whether it only goes on by starting them again and again."""

import time

from capmin.engines import Container, Process
from capmin.play.broken import Broken
from capmin.trial import Program

SAMPLE_PAUSE_S = 0.02
"""Reading the process table costs 1 ms and more."""


class Watch:
    """Counts the processes that are seen in the containers of a launch.

    A worker that cannot do what it must is started again by its master, often for ever, while the test may
    pass in between. That shows in process numbers never seen before, long before a time limit does.
    """

    def __init__(self, most_processes: int | None) -> None:
        self._most = most_processes
        self._seen: set[int] = set()
        self._sampled = 0.0
        self.programs: frozenset[Program] = frozenset()

    @property
    def spawned(self) -> int:
        """How many processes were seen so far."""
        return len(self._seen)

    def look(self, container: Container) -> None:
        """Look unless that was just done.

        Raises:
            Broken: there were more processes than a service has that does not crash.
        """
        if time.monotonic() - self._sampled >= SAMPLE_PAUSE_S:
            self._sample(container)

    def take(self, container: Container) -> None:
        """Note the programs that run now, those of earlier phases forgotten.

        Raises:
            Broken: as of `look`.
        """
        processes = self._sample(container)
        self.programs = frozenset(Program(name=process.name, uid=process.uid) for process in processes)

    def _sample(self, container: Container) -> tuple[Process, ...]:
        processes = container.processes()
        self._sampled = time.monotonic()
        self._seen.update(process.pid for process in processes)
        if self._most is not None and self.spawned > self._most:
            raise Broken(
                trouble=f"it starts its processes again and again: {self.spawned} of them were seen, "
                f"where {self._most} would already be odd"
            )
        return processes
