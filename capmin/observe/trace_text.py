"""The text of the kernel's tracer, and the capability checks of one program in it.

A line is ``NAME-TID [CPU] FLAGS SECONDS: EVENT: DETAILS``; after it, perhaps with lines of other CPUs
between, comes the stack of the same thread, innermost function first. The only words in it that a traced
program chooses are its names, of at most 15 bytes: too few to forge a line.

NAME is ``<...>`` unless any tracer of the host, at any time since boot, has recorded a name for that TID: the
kernel keeps one table for all (saved_cmdlines), of whoever had the number then. So it tells nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from capmin.privileges.syscall import Syscall, names_by_number

HOT = frozenset(
    Syscall(name)
    for name in (
        "brk clock_gettime clock_nanosleep close epoll_ctl epoll_pwait epoll_pwait2 epoll_wait fcntl fstat "
        "futex getpid gettid gettimeofday lseek madvise mmap mprotect munmap nanosleep newfstatat poll ppoll "
        "pread64 preadv pselect6 pwrite64 pwritev read readv recvfrom recvmsg rt_sigaction rt_sigprocmask "
        "rt_sigreturn sched_yield select sendmsg sendto statx time write writev"
    ).split()
)
"""Calls that programs make by the million: they are not traced, or they would fill the buffer.

The few checks in them (a write to /proc/sys, a message on a netlink socket) are named by the call stack.
"""

_LINE = re.compile(r"\s*.{0,15}?-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (?:(\w+): (.*)|<stack trace>)")
_FRAME = " => "
_CHECK = re.compile(r"cred (\S+), .*, cap (\d+), ret (-?\d+)")
_ENTER = re.compile(r"NR (-?\d+) ")
_EXIT = re.compile(r"NR (-?\d+) = (-?\d+)")
_NEW_TASK = re.compile(r"pid=(\d+) comm=")
_RENAMED = re.compile(r"pid=(\d+) oldcomm=.* newcomm=(.*) oom_score_adj=")
# SYSCALL_DEFINE's wrappers, and the functions that they end in (fs/read_write.c, net/socket.c).
_ENTRY_POINT = re.compile(r"(?:__\w+?_sys_|__do_sys_|__se_sys_|__sys_|ksys_|do_)(\w+)")
_MEMORY_ACCOUNTING = frozenset({"security_vm_enough_memory_mm", "cap_vm_enough_memory", "__vm_enough_memory"})
_OVERLAY = "ovl_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check: the capability's number, who asked, in which call, and the answer.

    ``time_s`` is in seconds since the program was started.
    """

    capability: int
    allowed: bool
    syscall: Syscall | None
    program: str
    time_s: float


@dataclass(kw_only=True, slots=True)
class Event:
    """A line of the trace with the stack that belongs to it."""

    tid: int
    time_s: float
    name: str
    details: str
    frames: list[str] = field(default_factory=list)


def events(text: str) -> Iterator[Event]:
    """The events in the order of their times, each once its stack is complete."""
    waiting: dict[int, Event] = {}
    current: Event | None = None
    for line in text.splitlines():
        # A name may look like a frame, until the number behind it.
        is_frame = line.startswith(_FRAME) and not ("[" in line and _LINE.match(line))
        if is_frame:
            if current is not None:
                current.frames.append(line.removeprefix(_FRAME).strip())
            continue
        if current is not None:
            yield current
            current = None
        if (match := _LINE.match(line)) is None:
            continue
        tid = int(match[1])
        previous = waiting.pop(tid, None)
        if match[3] is None:
            current = previous
            continue
        if previous is not None:
            yield previous
        waiting[tid] = Event(tid=tid, time_s=float(match[2]), name=match[3], details=match[4])
    yield from (*([current] if current is not None else ()), *waiting.values())


def checks(text: str, program_pid: int, architecture: str) -> Iterator[Check]:
    """The checks that a program and its descendants caused, from its first exec on.

    Left out are the kernel's memory accounting, and what overlayfs does under the credentials of whoever
    mounted it (ovl_override_creds in fs/overlayfs/util.c). Those are told by their credentials: they are in
    no check outside of overlayfs, where the accounting alone brings up the program's own. They are never
    refused, so a denial is never left out.
    """
    tree = _Tree(program_pid, architecture)
    found = [seen for event in events(text) if (seen := tree.see(event)) is not None]
    own = {seen.credentials for seen in found if not seen.in_overlay}
    for seen in found:
        if not seen.is_accounting and (seen.credentials in own or not seen.check.allowed):
            yield seen.check


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """A check before it is known whether it is the program's own."""

    check: Check
    credentials: str
    in_overlay: bool
    is_accounting: bool


class _Tree:
    """What is known of a program's threads while its events go by."""

    def __init__(self, program_pid: int, architecture: str) -> None:
        self._program_pid = program_pid
        self._numbers = names_by_number(architecture)
        self._names = {program_pid: ""}
        self._calls: dict[int, int] = {}
        self._started_s: float | None = None

    def see(self, event: Event) -> _Seen | None:
        if event.tid not in self._names:
            return None
        if event.name == "cap_capable":
            return self._check(event)
        if event.name == "sys_enter" and (match := _ENTER.search(event.details)):
            self._calls[event.tid] = int(match[1])
        elif event.name == "sys_exit" and (match := _EXIT.search(event.details)):
            self._leave(event, int(match[1]), int(match[2]))
        elif event.name == "task_newtask" and (match := _NEW_TASK.search(event.details)):
            self._names[int(match[1])] = self._names[event.tid]
        elif event.name == "task_rename" and (match := _RENAMED.search(event.details)):
            self._names[int(match[1])] = match[2]
        return None

    def _leave(self, event: Event, number: int, result: int) -> None:
        self._calls.pop(event.tid, None)
        executed = self._numbers.get(number) in ("execve", "execveat") and result == 0
        if executed and event.tid == self._program_pid and self._started_s is None:
            self._started_s = event.time_s

    def _check(self, event: Event) -> _Seen | None:
        match = _CHECK.search(event.details)
        if match is None or self._started_s is None:
            return None
        check = Check(
            capability=int(match[2]),
            allowed=match[3] == "0",
            syscall=self._call(event),
            program=self._names[event.tid],
            time_s=event.time_s - self._started_s,
        )
        return _Seen(
            check=check,
            credentials=match[1],
            in_overlay=any(frame.startswith(_OVERLAY) for frame in event.frames),
            is_accounting=not _MEMORY_ACCOUNTING.isdisjoint(event.frames),
        )

    def _call(self, event: Event) -> Syscall | None:
        number = self._calls.get(event.tid)
        if number is not None:
            return self._numbers.get(number)
        for frame in reversed(event.frames):
            match = _ENTRY_POINT.fullmatch(frame)
            if match and Syscall(match[1]) in HOT:
                return Syscall(match[1])
        return None
