"""A TCP port that leads to a daemon's Unix socket: a remote daemon, whose network can fail."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Forwarder:
    """Forwards until its block ends; ``cut`` ends what is connected and what would, until ``mend``.

    That comes by itself after so many connections that were turned away, if a number is given.
    """

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._to_turn_away = 0
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self, turn_away: int = -1) -> None:
        self._to_turn_away = turn_away
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._to_turn_away = 0

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connection in (*self._connections, self._listener):
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._to_turn_away:
                    self._to_turn_away -= 1
                    client.close()
                    continue
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(self._path)
                self._connections += (client, daemon)
                self._run(self._pump, client, daemon)
                self._run(self._pump, daemon, client)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
