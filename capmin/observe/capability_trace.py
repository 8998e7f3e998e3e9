"""Capability checks as the kernel makes them: the tracepoint ``capability:cap_capable`` (Linux 6.14).

Every check of a capability ends in cap_capable (security/commoncap.c), audited or not; the tracepoint tells
the capability and the answer. The system call in which it was asked for comes from ``raw_syscalls``; the
call stack tells the kernel's own checks, which are no request of the program, from the rest.

Dropped as the kernel's own:
- the check on CAP_SYS_ADMIN with which each growth of memory asks whether the reserve may be touched
  (cap_vm_enough_memory in security/commoncap.c, called from mm/util.c for mmap, brk, mprotect, execve, fork
  and, on a tmpfs, write): 1,778 of the 2,549 checks in a shell script of five commands;
- what overlayfs asks under the credentials of whoever mounted it (fs/overlayfs/util.c).

Kept, though not audited (ns_capable_noaudit): there the kernel only chooses between two ways, but some of
these fail a call all the same, such as CAP_SYS_RESOURCE for /proc/PID/oom_score_adj (fs/proc/base.c).
"""

import errno
import mmap
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self

from capmin.errors import EngineError
from capmin.observe.trace_text import HOT, Check, checks
from capmin.observe.tracefs import TraceInstance
from capmin.privileges.capability import CAPABILITIES
from capmin.privileges.syscall import Syscall, host_architecture, table
from capmin.trial import Attempt

_CHECK = "events/capability/cap_capable"
_CALLS = ("events/raw_syscalls/sys_enter", "events/raw_syscalls/sys_exit")
_TASKS = ("events/task/task_newtask", "events/task/task_rename")


class CapabilityTrace:
    """Watches the capability checks of a process tree; one for each thread that launches.

    ``start()`` in the thread that will fork, fork, let it run, then ``attempts(pid)``; or ``follow()`` before
    the fork and ``start()`` right before the program may go. Traces in parallel do not see each other.

    ``parent`` is the task whose children are followed, where that is not the calling thread: a process that
    launches on its behalf.

    ``dropped_events`` is how many events the last launch had too many for the buffer (1.4 MB a CPU); with
    any, what came last is missing.
    """

    def __init__(self, parent: int | None = None) -> None:
        self._instance = TraceInstance()
        self._parent = parent
        self._dropped_before = 0
        self.dropped_events = 0

    def __enter__(self) -> Self:
        """Make the trace.

        Raises:
            EngineError: this kernel cannot, or this process may not; `available` tells beforehand.
        """
        self._instance.__enter__()
        try:
            self._configure()
        except BaseException:
            self._instance.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._instance.__exit__(kind, error, trace)

    def follow(self) -> None:
        """Follow what the calling thread, or ``parent``, forks from now on, without recording it yet.

        For runtimes that make a container first and start its program later: what they do in between would
        be ten times as much to read as what a small program does.
        """
        # The task itself stays on the list: putting it on or taking it off costs 36 ms. `attempts` leaves
        # out what is not in the program's tree.
        task = str(self._task())
        if task not in self._instance.read("set_event_pid").split():
            self._instance.append("set_event_pid", task)

    def start(self) -> None:
        """Record what is followed, and forget what was before."""
        self._instance.write("tracing_on", 0)
        self._instance.drain()
        self._dropped_before = self._instance.dropped()
        self.follow()
        self._instance.write("tracing_on", 1)

    def attempts(self, program_pid: int) -> tuple[Attempt, ...]:
        """What the program attempted since ``start``, the earliest first.

        ``program_pid`` is the process that becomes the program (a runtime's ``--pid-file``), as the host
        sees it. What it did before its first exec, as the runtime's init, is left out; every process that it
        forks after is in. Times are in seconds since that exec. Empty where it never got so far.
        """
        self._instance.write("tracing_on", 0)
        text = self._instance.drain().decode(errors="replace")
        self.dropped_events = self._instance.dropped() - self._dropped_before
        return tally(checks(text, program_pid, host_architecture()))

    def _task(self) -> int:
        return threading.get_native_id() if self._parent is None else self._parent

    def _configure(self) -> None:
        if not self._instance.has(_CHECK):
            raise EngineError(
                "the kernel has no tracepoint capability:cap_capable: it is there since Linux 6.14"
            )
        self._instance.write("tracing_on", 0)
        # What comes first tells who is who: when the buffer is full, the end is lost and not the beginning.
        # Names of programs are left out of each line: a program may call itself what it likes.
        for option in ("nooverwrite", "norecord-cmd", "event-fork", "stacktrace"):
            self._instance.write("trace_options", option)
        # Times of different CPUs can be compared, and they are those of time.monotonic.
        self._instance.write("trace_clock", "mono")
        numbers = table(host_architecture())
        untraced = " && ".join(f"id != {numbers[name]}" for name in sorted(HOT) if name in numbers)
        # A list that was never written to holds everyone: nothing may be enabled before.
        self._instance.write("set_event_pid", self._task())
        for event in _CALLS:
            self._instance.write(f"{event}/filter", untraced)
        for event in (_CHECK, *_CALLS, *_TASKS):
            self._instance.write(f"{event}/enable", 1)


@dataclass(kw_only=True, slots=True)
class _Count:
    count: int
    first_s: float
    last_s: float


def tally(seen: Iterable[Check]) -> tuple[Attempt, ...]:
    """Many checks alike, by the same program in the same call, become one attempt."""
    counts: dict[tuple[int, Syscall | None, str, bool], _Count] = {}
    for check in seen:
        key = (check.capability, check.syscall, check.program, check.allowed)
        entry = counts.setdefault(key, _Count(count=0, first_s=check.time_s, last_s=check.time_s))
        entry.count += 1
        entry.last_s = check.time_s
    return tuple(sorted(_attempts(counts), key=lambda attempt: attempt.first_s))


def _attempts(counts: Mapping[tuple[int, Syscall | None, str, bool], _Count]) -> Iterable[Attempt]:
    for (number, syscall, program, allowed), entry in counts.items():
        # A kernel newer than capmin may know more.
        if number < len(CAPABILITIES):
            yield Attempt(
                privilege=CAPABILITIES[number],
                syscall=syscall,
                program=program,
                errno=None if allowed else errno.EPERM,
                count=entry.count,
                first_s=entry.first_s,
                last_s=entry.last_s,
            )


@cache
def available() -> str | None:
    """Why capability checks cannot be traced here, or None where they can. Found out by tracing one."""
    try:
        with CapabilityTrace() as trace:
            trace.start()
            # Any growth of memory asks for CAP_SYS_ADMIN (see above): a check that harms nobody.
            mmap.mmap(-1, mmap.PAGESIZE).close()
            if b"cap_capable:" not in trace._instance.drain():  # noqa: SLF001 - the raw text, on purpose
                return "the kernel's tracer does not see this process: is it in a pid namespace of its own?"
    except EngineError as error:
        return str(error)
    return None
