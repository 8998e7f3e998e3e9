"""Traces of capability checks for several threads: making one costs 30 ms, and removing it 75."""

import contextlib
import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from capmin.observe.capability_trace import CapabilityTrace


class TracePool:
    """Hands out traces that follow the children of one task, and takes them back for the next launch."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._free: queue.SimpleQueue[CapabilityTrace] = queue.SimpleQueue()
        self._all = contextlib.ExitStack()

    @contextlib.contextmanager
    def one(self) -> Iterator[CapabilityTrace]:
        """A trace that nobody else uses until the end of the block.

        Raises:
            EngineError: this host cannot trace.
        """
        try:
            trace = self._free.get_nowait()
        except queue.Empty:
            trace = self._all.enter_context(CapabilityTrace(self._parent))
        try:
            yield trace
        finally:
            self._free.put(trace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.close()
