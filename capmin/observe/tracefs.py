"""tracefs: instances of the kernel's tracer, each with a ring buffer and settings of its own.

Source: Documentation/trace/ftrace.rst, "Instances". The file system is reached through a mount of its own
that is attached nowhere and ends with its descriptor: nothing is left mounted, even after SIGKILL, and
nobody else's mount of tracefs is used or needed.
"""

import contextlib
import ctypes
import itertools
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.errors import EngineError

# The same numbers on every architecture (include/uapi/asm-generic/unistd.h), and the constants of
# include/uapi/linux/mount.h; Linux 5.2 and later.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FSOPEN_CLOEXEC, _FSCONFIG_CMD_CREATE, _FSMOUNT_CLOEXEC = 1, 6, 1

_PREFIX = "capmin"
_serial = itertools.count(1)

_log = logging.getLogger(__name__)


class TraceInstance:
    """A tracer of capmin's own, from the start of its ``with`` block to the end.

    Costs, measured on Linux 6.18: 2 ms to make, 25 to 50 ms to remove, 10 to 50 ms for most of its
    settings (they wait for every CPU). So it is made once a worker, not once a launch.
    """

    def __init__(self) -> None:
        self._mount = -1
        self._pipe = -1
        self._path = Path()

    def __enter__(self) -> Self:
        try:
            self._mount = _mount()
            instances = Path(f"/proc/self/fd/{self._mount}/instances")
            _remove_leftovers(instances)
            path = instances / f"{_PREFIX}-{os.getpid()}-{next(_serial)}"
            path.mkdir()
            self._path = path
            # Held open, it keeps anyone else from removing the instance as a leftover.
            self._pipe = os.open(self._path / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._close()
            raise EngineError(f"the kernel's tracer cannot be used: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def has(self, name: str) -> bool:
        return (self._path / name).exists()

    def read(self, name: str) -> str:
        return (self._path / name).read_text()

    def write(self, name: str, value: object) -> None:
        """Change a setting, replacing what it was.

        Raises:
            EngineError: the kernel does not take it.
        """
        self._write(name, value, os.O_WRONLY | os.O_TRUNC)

    def append(self, name: str, value: object) -> None:
        """Add to a setting that is a list; as `write`."""
        self._write(name, value, os.O_WRONLY)

    def drain(self) -> bytes:
        """Take what is in the buffer, as text, the events of all CPUs in the order of their times."""
        chunks = []
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._pipe, 1 << 16):
                chunks.append(chunk)
        return b"".join(chunks)

    def dropped(self) -> int:
        """How many events did not fit into the buffer since the instance was made."""
        lines = [
            line
            for file in self._path.glob("per_cpu/cpu*/stats")
            for line in file.read_text().splitlines()
            if line.startswith("dropped events:")
        ]
        return sum(int(line.rpartition(":")[2]) for line in lines)

    def _write(self, name: str, value: object, flags: int) -> None:
        # Not `open(..., "a")`: it seeks to the end, which tracefs does not allow.
        try:
            descriptor = os.open(self._path / name, flags | os.O_CLOEXEC)
            try:
                os.write(descriptor, str(value).encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EngineError(
                f"the kernel's tracer refuses {value!r} for {name}: {error.strerror}"
            ) from error

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        if self._path.parts:
            try:
                self._path.rmdir()
            except OSError as error:
                _log.warning("the trace instance %s stays behind: %s", self._path.name, error.strerror)
        if self._mount >= 0:
            os.close(self._mount)
        self._mount, self._pipe, self._path = -1, -1, Path()


def _mount() -> int:
    context = _syscall(_FSOPEN, b"tracefs", _FSOPEN_CLOEXEC)
    try:
        _syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, 0)
    finally:
        os.close(context)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    result: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _remove_leftovers(instances: Path) -> None:
    """Remove the instances of processes that were killed."""
    for path in instances.glob(f"{_PREFIX}-*-*"):
        pid = path.name.split("-")[1]
        if not Path("/proc", pid).exists():
            # Busy: its process lives after all, in another pid namespace; or somebody was faster.
            with contextlib.suppress(OSError):
                path.rmdir()
