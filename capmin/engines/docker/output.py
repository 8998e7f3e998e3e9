"""What a container writes, as the daemon sends it: all of it read, the last part kept."""

from collections import deque

from capmin.engines import OUTPUT_LIMIT_BYTES


class Tail:
    """The last bytes of a stream. One thread adds, any may read."""

    def __init__(self, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._size_bytes = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size_bytes += len(chunk)
        while self._size_bytes - len(self._chunks[0]) >= self._limit_bytes:
            self._size_bytes -= len(self._chunks.popleft())

    def text(self) -> str:
        """What was kept, decoded with replacement."""
        # tuple() copies in one step of the interpreter, so that it is safe beside `add`.
        return b"".join(tuple(self._chunks))[-self._limit_bytes :].decode(errors="replace")
