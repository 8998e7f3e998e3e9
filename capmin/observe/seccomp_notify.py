"""A listener for seccomp user notifications: what the programs of one container attempt, and what they get.

The container's filter says SCMP_ACT_NOTIFY for the calls of interest and names a Unix socket as its
``listenerPath``. runc connects there and hands over the notification descriptor (runtime-spec
config-linux.md, "containerProcessState"; Docker 23 and later pass the path on). From then on each such call
stands still until it is answered here (seccomp_unotify(2)). Nothing in this module knows an engine.
"""

import contextlib
import json
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.errors import EngineError
from capmin.observe import notify_abi
from capmin.observe.attempts import AttemptCounter
from capmin.observe.notify_abi import Notification
from capmin.observe.process_ends import ProcessEnds
from capmin.observe.status import RUNTIME_PREFIX, granted_of, program_of
from capmin.privileges import Syscall
from capmin.privileges.syscall import names_by_number
from capmin.trial import Attempt, End, Granted

Decide = Callable[[Syscall, tuple[int, ...]], int | None]
"""Name and six arguments of a call -> the errno it is answered with, or None to let it go ahead."""

SOCKET_PATH_LIMIT_BYTES = 107
"""What fits into sockaddr_un with its final zero (unix(7))."""

STORM_DENIALS = 5_000
STORM_PAUSE_S = 0.001
"""After so many denied calls each further one waits that long: a program that tries for ever then makes 800 a
second and costs 6 % of a core, instead of 43,000 and 57 % of one here and the other one there. nginx without
rt_sigsuspend denies 2,274 calls in 70 ms and passes, so the limit lies above. Calls that are let through are
never slowed down."""

_STATE_LIMIT_BYTES = 1 << 18
_log = logging.getLogger(__name__)


class SeccompListener:
    """Receives the notification descriptors of one container, answers the calls, and counts them.

    It listens from the moment it is made until `close`, on a thread of its own. ``decide`` says what each
    call is answered with; it is called on that thread. The filter has to notify execve, too: at its first
    one the container's process stands still with its final credentials, which is when `granted` is read
    and the clock of `attempts` starts. A container may hand over several descriptors (each `docker exec`
    has its own).

    After `close`, or where the listener's process dies, notified calls are answered ENOSYS by the kernel:
    a container never hangs for lack of a listener.

    Raises:
        EngineError: the socket cannot be made, for example because its path is too long.
    """

    def __init__(self, path: Path, *, decide: Decide, architecture: str) -> None:
        self.path = path
        self._decide = decide
        self._names = names_by_number(architecture)
        self._programs: dict[int, str] = {}
        self._ends = ProcessEnds()
        self._program_calls = AttemptCounter()
        self._runtime_calls = AttemptCounter()
        self._granted: Granted | None = None
        self._started_at: float | None = None
        self._denied = 0
        self._failure: Exception | None = None
        self._attached = threading.Event()
        self._descriptors: set[int] = set()
        self._socket = _listening_socket(path)
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"seccomp-{path.name}", daemon=True)
        self._thread.start()

    @property
    def attached(self) -> bool:
        """Whether a filter was loaded: the runtime has handed over its descriptor."""
        return self._attached.is_set()

    @property
    def started(self) -> bool:
        """Whether the container's process was seen to start its program (execve called, not yet done)."""
        return self._started_at is not None

    @property
    def granted(self) -> Granted | None:
        """What the kernel said of the container's process as it called execve; None before that.

        For root execve then sets the effective set to the whole bounding set (capabilities(7),
        "Capabilities and execution of programs by root"), which is what runtimes give as effective
        anyway; a program with file capabilities or a setuid bit can have other ones than these.
        """
        return self._granted

    def attempts(self) -> tuple[Attempt, ...]:
        """The notified calls of the container's programs, execve apart, the earliest first.

        Raises:
            EngineError: the listener broke down, so that there may have been more.
        """
        if self._failure is not None:
            raise EngineError(f"the seccomp listener broke down: {self._failure!r}") from self._failure
        return self._program_calls.attempts(since=self._started_at)

    def runtime_calls(self) -> tuple[Attempt, ...]:
        """The notified calls of the runtime itself, between loading the filter and execve."""
        return self._runtime_calls.attempts(since=self._started_at)

    def close(self) -> None:
        """Stop listening, and remove the socket; what was counted stays readable. Can be called twice."""
        with self._closing:
            if self._waker < 0:
                return
            # The thread may have broken down, and closed its end.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._waker, b"x")
            self._thread.join()
            os.close(self._waker)
            self._waker = -1
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """Serve until woken; whatever happens, no descriptor stays open, for it would keep calls waiting."""
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 (kept for the reader of `attempts`, on another thread)
            _log.exception("the seccomp listener %s failed: its container's calls get ENOSYS", self.path)
            self._failure = error
        finally:
            self._socket.close()
            os.close(self._wake)
            for descriptor in self._descriptors:
                os.close(descriptor)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._socket, select.POLLIN)
        while True:
            for ready, events in poll.poll():
                if ready == self._wake:
                    return
                if ready == self._socket.fileno():
                    self._accept(poll)
                elif events & select.POLLIN:
                    self._answer(ready)
                else:
                    # POLLHUP: the last task under this filter is gone.
                    poll.unregister(ready)
                    self._descriptors.discard(ready)
                    os.close(ready)

    def _accept(self, poll: select.poll) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._socket.accept()
            with connection:
                descriptor = _received_descriptor(connection)
            notify_abi.answer_on_the_same_core(descriptor)
            self._descriptors.add(descriptor)
            poll.register(descriptor, select.POLLIN)
            self._attached.set()

    def _answer(self, descriptor: int) -> None:
        call = notify_abi.receive(descriptor)
        if call is None:
            return
        name = self._names.get(call.number)
        if name is None:
            # Of another architecture, or newer than the table: as on a kernel without it.
            notify_abi.respond(descriptor, call.id, notify_abi.ENOSYS)
        elif name in ("execve", "execveat"):
            self._note_start(call)
            notify_abi.respond(descriptor, call.id, None)
        elif name == "exit_group":
            self._note_end(call)
            notify_abi.respond(descriptor, call.id, None)
        else:
            errno = self._decide(name, call.arguments)
            self._count(call, name, errno)
            notify_abi.respond(descriptor, call.id, errno)

    def _note_start(self, call: Notification) -> None:
        if self._started_at is None:
            self._granted = granted_of(call.pid)
            self._started_at = time.monotonic()
        # The task, and with threads the leader whose number it takes over, is about to change its name.
        self._programs.clear()

    def ends(self) -> tuple[End, ...]:
        """How the container's processes ended, and what each was denied."""
        return () if self._started_at is None else self._ends.ends(since=self._started_at)

    def _note_end(self, call: Notification) -> None:
        program = self._program(call.pid)
        if self._started_at is not None and not program.startswith(RUNTIME_PREFIX):
            self._ends.exits(call.pid, program, call.arguments[0] & 0xFF)

    def _count(self, call: Notification, name: Syscall, errno: int | None) -> None:
        program = self._program(call.pid)
        is_runtime = self._started_at is None or program.startswith(RUNTIME_PREFIX)
        counter = self._runtime_calls if is_runtime else self._program_calls
        counter.add(name, program, errno)
        if errno is not None:
            self._denied += 1
            if not is_runtime:
                self._ends.denied(call.pid, program, name)
            if self._denied > STORM_DENIALS:
                time.sleep(STORM_PAUSE_S)

    def _program(self, pid: int) -> str:
        """The program's name; remembered until the next execve, as reading it costs as much as the rest."""
        program = self._programs.get(pid)
        if program is None:
            program = program_of(pid)
            if not program.startswith(RUNTIME_PREFIX):
                self._programs[pid] = program
        return program


def _listening_socket(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT_BYTES:
        raise EngineError(
            f"the path of the seccomp socket is longer than {SOCKET_PATH_LIMIT_BYTES} bytes: {path}\n"
            "choose a state directory with a shorter path"
        )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        listening.listen()
        # A connection that is gone before it is accepted must not block the thread.
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise EngineError(f"cannot listen on {path}: {error.strerror}") from error
    return listening


def _received_descriptor(connection: socket.socket) -> int:
    """The notification descriptor out of the runtime's containerProcessState.

    Raises:
        OSError: the peer sent none in time.
    """
    connection.settimeout(5.0)
    data, descriptors, _, _ = socket.recv_fds(connection, _STATE_LIMIT_BYTES, 8)
    index = 0
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        index = json.loads(data)["fds"].index("seccompFd")
    for position, descriptor in enumerate(descriptors):
        if position != index:
            os.close(descriptor)
    if index >= len(descriptors):
        raise OSError("no descriptor received")
    os.set_inheritable(descriptors[index], False)
    return descriptors[index]
