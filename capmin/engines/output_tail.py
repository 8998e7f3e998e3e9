"""The last part of what a container writes, however much that is."""

import os
import threading

from capmin.engines import OUTPUT_LIMIT_BYTES

_CHUNK_BYTES = 1 << 16


class OutputTail:
    """Drains a pipe on a thread of its own until its writers are gone; keeps the last part.

    The read end becomes its own, and is closed with the last writer's end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, name="output", daemon=True)
        self._thread.start()

    def wait(self, limit_s: float) -> None:
        """Wait until everything was read, if the writers are gone within the limit."""
        self._thread.join(limit_s)

    def text(self) -> str:
        """The last `OUTPUT_LIMIT_BYTES`, decoded with replacement."""
        with self._lock:
            return self._kept[-OUTPUT_LIMIT_BYTES:].decode(errors="replace")

    def _drain(self) -> None:
        while chunk := os.read(self._descriptor, _CHUNK_BYTES):
            with self._lock:
                self._kept += chunk
                # Cut at twice the limit, so that gigabytes are not moved about at each read.
                if len(self._kept) > 2 * OUTPUT_LIMIT_BYTES:
                    del self._kept[:-OUTPUT_LIMIT_BYTES]
        os.close(self._descriptor)
