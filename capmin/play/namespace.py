"""Connections into a container's network, made by this process."""

import contextlib
import ctypes
import errno
import os
import socket
import threading
from pathlib import Path

from capmin.errors import EngineError

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def connect(namespace: Path, port: int, limit_s: float) -> socket.socket:
    """A connection to 127.0.0.1 of a network namespace, given as its path below /proc.

    Raises:
        OSError: nobody listens there, or the container is gone.
        EngineError: this process may not enter it.
    """
    channel = socket_in(namespace, socket.SOCK_STREAM)
    try:
        channel.settimeout(limit_s)
        channel.connect(("127.0.0.1", port))
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        channel.close()
        raise
    return channel


def socket_in(namespace: Path, kind: socket.SocketKind) -> socket.socket:
    """A socket for IPv4 that stays in the namespace in which it is made (network_namespaces(7)).

    The thread that enters it does nothing else, and ends there: setns(2) is about one thread. That takes
    0.1 ms, a sidecar container 25 ms.

    Raises:
        OSError: the container is gone.
        EngineError: this process may not enter it.
    """
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            _enter(namespace)
            made.append(socket.socket(socket.AF_INET, kind))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name="network")
    thread.start()
    thread.join()
    (result,) = made
    if isinstance(result, socket.socket):
        return result
    if result.errno in (errno.EPERM, errno.EACCES):
        raise EngineError(
            "capmin has to be root to probe a container's network itself: run it with sudo, or give a test "
            "command instead of http and tcp probes"
        ) from result
    raise result


def _enter(namespace: Path) -> None:
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.closing(os.fdopen(descriptor)):
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
