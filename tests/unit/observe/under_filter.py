"""A stand-in for runc, run as a script: load a filter, hand its descriptor over, become a program.

Arguments: the listener's socket, the numbers of the calls to notify with commas between, the program.
It needs no privileges (PR_SET_NO_NEW_PRIVS), and sends what runc sends (containerProcessState).
"""

import ctypes
import json
import os
import platform
import socket
import struct
import sys

_SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_USER_NOTIF, _ALLOW = 0x7FC00000, 0x7FFF0000
_PR_SET_NO_NEW_PRIVS = 38
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _load(numbers: list[int]) -> int:
    code = [(_LOAD_NUMBER, 0, 0, 0)]
    code += [(_JUMP_IF_EQUAL, len(numbers) - n, 0, number) for n, number in enumerate(numbers)]
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _USER_NOTIF)]
    instructions = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _Program(len(code), instructions)
    descriptor: int = libc.syscall(
        _SECCOMP_NUMBER[platform.machine()], _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program)
    )
    if descriptor < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return descriptor


def _main() -> None:
    path, numbers, *program = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        descriptor = _load([int(number) for number in numbers.split(",")])
        state = json.dumps({"ociVersion": "1.0.2", "fds": ["seccompFd"], "pid": os.getpid()})
        socket.send_fds(connection, [state.encode()], [descriptor])
        os.close(descriptor)
    os.execv(program[0], program)  # noqa: S606 (that is its purpose)


if __name__ == "__main__":
    _main()
