"""The kernel's interface for seccomp user notification (include/uapi/linux/seccomp.h).

Sizes are asked of the running kernel (SECCOMP_GET_NOTIF_SIZES), as seccomp_unotify(2) demands.
"""

import ctypes
import errno
import fcntl
import platform
import struct
from dataclasses import dataclass
from functools import cache

from capmin.errors import EngineError

ENOSYS = errno.ENOSYS

_SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277}
_SECCOMP_GET_NOTIF_SIZES = 3

# _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, struct seccomp_notif_resp), _IOW('!', 4, __u64)
_NOTIF_RECV = 0xC0502100
_NOTIF_SEND = 0xC0182101
_NOTIF_SET_FLAGS = 0x40082104
_SYNC_WAKE_UP = 1

# seccomp_notif: id, pid, flags; seccomp_data: nr, arch, instruction_pointer, args[6]
_REQUEST = struct.Struct("=QIIiIQ6Q")
# seccomp_notif_resp: id, val, error, flags
_RESPONSE = struct.Struct("=QqiI")
_FLAG_CONTINUE = 1

_NATIVE_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """A call that stands still until it is answered; ``number`` is -1 for another architecture's.

    ``pid`` is the calling thread's, as this process sees it.
    """

    id: int
    pid: int
    number: int
    arguments: tuple[int, ...]


@cache
def sizes() -> tuple[int, int]:
    """The sizes in bytes of a request and of a response on the running kernel.

    Raises:
        EngineError: the kernel has no user notification (it is there since Linux 5.0).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    answer = (ctypes.c_uint16 * 3)()
    number = _SECCOMP_NUMBER.get(platform.machine(), -1)
    if libc.syscall(number, _SECCOMP_GET_NOTIF_SIZES, 0, ctypes.byref(answer)) != 0:
        raise EngineError("this kernel has no seccomp user notification: system calls cannot be observed")
    return max(answer[0], _REQUEST.size), max(answer[1], _RESPONSE.size)


def is_supported() -> bool:
    """Whether the running kernel has user notification with "continue" (Linux 5.5)."""
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    try:
        sizes()
    except EngineError:
        return False
    return release >= (5, 5)


def receive(descriptor: int) -> Notification | None:
    """The next waiting call; None where its task has vanished meanwhile. Call it when poll says POLLIN."""
    buffer = bytearray(sizes()[0])
    try:
        fcntl.ioctl(descriptor, _NOTIF_RECV, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    identity, pid, _, number, architecture, _, *arguments = _REQUEST.unpack_from(buffer)
    native = architecture == _NATIVE_ARCHITECTURE[platform.machine()] and not number & _X32_BIT
    return Notification(id=identity, pid=pid, number=number if native else -1, arguments=tuple(arguments))


def respond(descriptor: int, identity: int, error: int | None) -> None:
    """Answer a call with an errno, or let it go ahead (None). Nothing happens where its task has vanished."""
    response = bytearray(sizes()[1])
    flags = _FLAG_CONTINUE if error is None else 0
    _RESPONSE.pack_into(response, 0, identity, 0, -(error or 0), flags)
    try:
        fcntl.ioctl(descriptor, _NOTIF_SEND, response)
    except OSError as failure:
        # ENOENT: killed, or interrupted by a signal; an interrupted call is notified again.
        if failure.errno not in (errno.ENOENT, errno.EINTR, errno.EINPROGRESS):
            raise


def answer_on_the_same_core(descriptor: int) -> None:
    """Wake the waiting task where the listener runs, which halves a round trip (Linux 6.6; else nothing)."""
    try:
        fcntl.ioctl(descriptor, _NOTIF_SET_FLAGS, _SYNC_WAKE_UP)
    except OSError:
        return
