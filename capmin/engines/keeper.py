"""What outlives a killed capmin cleans up after it: state directories, their keepers, and reaping.

Everything that an engine makes on the host is found again from one directory, whose name tells the process
that owns it by number and start time (so that a recycled number fools nobody): the runc state below
``runc/``, every mount below it, the control group ``/capmin-NAME`` in each hierarchy, and in ``steps``
commands that undo what is kept elsewhere (containers of a daemon). `clean` undoes it all. Three call it: the
owner when it closes, the keeper when the owner dies, and the next engine for owners whose keeper died, too.

The keeper is this file run as a script (``python -I -S keeper.py DIRECTORY``), a process of its own session
that blocks on reading its input, a pipe whose other end only the owner has: death of any kind ends it.
Therefore only the standard library is imported here, and as little as possible of it: it runs in 13 MB.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

CGROUP_PREFIX = "capmin-"
STEPS = "steps"
RUNC_ROOT = "runc"

_OWNED = re.compile(r"(\d+)-(\d+)-\d+")
_MNT_DETACH = 2
_KILL_LIMIT_S = 10.0


def own_name(number: int) -> str:
    """The name of this process's state directory of that number, unique on the running host."""
    return f"{os.getpid()}-{_start_time(os.getpid())}-{number}"


def add_step(directory: Path, arguments: Sequence[str]) -> None:
    """Have a program run when the directory is cleaned; it has to bear being run for nothing, or twice."""
    with (directory / STEPS).open("a") as file:
        file.write(json.dumps(list(arguments)) + "\n")


def reap(base: Path) -> None:
    """Clean every state directory under ``base`` whose owner is gone."""
    for directory in sorted(base.iterdir()) if base.is_dir() else ():
        match = _OWNED.fullmatch(directory.name)
        # Only root's own: what another user put there is not ours to follow.
        if match and directory.lstat().st_uid == os.geteuid() and not _is_alive(*map(int, match.groups())):
            _clean_alone(directory)


def clean(directory: Path) -> None:
    """Undo everything that belongs to a state directory; nothing happens where it is gone already.

    Processes go first, the runtime's own before the containers' (it would write state while they are
    cleaned), then mounts, control groups, the directory, and last the steps, which may take long.
    """
    steps = _steps(directory)
    _kill_runtimes(directory)
    cgroup = CGROUP_PREFIX + directory.name
    kill_cgroup(cgroup)
    unmount_below(directory)
    remove_cgroup(cgroup)
    shutil.rmtree(directory, ignore_errors=True)
    for step in steps:
        with contextlib.suppress(OSError):
            os.waitpid(os.posix_spawnp(step[0], step, os.environ), 0)


def cgroup_directories(cgroup: str) -> list[Path]:
    """Where a control group (a path without leading slash) exists: one directory a hierarchy."""
    found = (root / cgroup for root in _cgroup_roots())
    return [directory for directory in found if directory.is_dir()]


def pids_in_cgroup(cgroup: str) -> list[int]:
    """The processes in a control group and those below it, in any hierarchy, sorted."""
    pids: set[int] = set()
    for top in cgroup_directories(cgroup):
        for directory, _, files in os.walk(top):
            if "cgroup.procs" in files:
                with contextlib.suppress(OSError):
                    pids.update(map(int, Path(directory, "cgroup.procs").read_text().split()))
    # A process of another namespace of process numbers is listed as 0.
    return sorted(pids - {0})


def kill_cgroup(cgroup: str) -> None:
    """Kill what runs in a control group until nothing does, for some seconds at most."""
    deadline = time.monotonic() + _KILL_LIMIT_S
    while (pids := pids_in_cgroup(cgroup)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def remove_cgroup(cgroup: str) -> None:
    """Remove an empty control group and those below it; the kernel needs a moment after the last exit."""
    deadline = time.monotonic() + _KILL_LIMIT_S
    while (tops := cgroup_directories(cgroup)) and time.monotonic() < deadline:
        for top in tops:
            for directory, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(directory).rmdir()
        if all(top.exists() for top in tops):
            time.sleep(0.005)


def unmount_below(directory: Path) -> None:
    """Detach every mount on or below a directory, the latest first."""
    libc = ctypes.CDLL(None, use_errno=True)
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    targets = [_unescaped(line.split()[4]) for line in lines]
    prefix = os.fsencode(directory)
    for target in reversed(targets):
        if target == prefix or target.startswith(prefix + b"/"):
            libc.umount2(target, _MNT_DETACH)


def _clean_alone(directory: Path) -> None:
    """Clean with no other process doing so at the same time."""
    with contextlib.suppress(FileNotFoundError):
        base = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(base, fcntl.LOCK_EX)
            clean(directory)
        finally:
            os.close(base)


def _steps(directory: Path) -> list[list[str]]:
    with contextlib.suppress(OSError, ValueError):
        return [json.loads(line) for line in (directory / STEPS).read_text().splitlines()]
    return []


def _kill_runtimes(directory: Path) -> None:
    """Kill each `runc --root DIRECTORY/runc`, which is in no control group of ours."""
    root = os.fsencode(directory / RUNC_ROOT)
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if arguments[0].endswith(b"runc") and root in arguments:
                os.kill(pid, signal.SIGKILL)


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 (names, not paths)


def _is_alive(pid: int, start_time: int) -> bool:
    return _start_time(pid) == start_time


def _start_time(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold anything; the 22nd field is the 20th after it (proc(5)).
    return int(stat.rpartition(")")[2].split()[19])


def _cgroup_roots() -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1].startswith("cgroup"):
            yield Path(fields[4])


def _unescaped(field: bytes) -> bytes:
    return re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), field)


def _keep(directory: Path) -> None:
    while os.read(0, 1):
        pass
    _clean_alone(directory)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
