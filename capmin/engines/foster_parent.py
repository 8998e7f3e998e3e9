"""The process whose children the containers of the runc engine are, run as a script of its own.

`runc create` ends when the container is ready, and only a parent learns how the container ends. (`runc run`
stays as the parent, but puts pipes of its own in the place of stdin, stdout and stderr, where Docker gives
/dev/null and the log's pipes, and copies every byte.) An orphan goes to the nearest ancestor that has asked
for orphans: PR_SET_CHILD_SUBREAPER, a flag that holds for a whole process and all its descendants. That is
not to be set for whoever uses capmin as a library; so it is set here.

Its input is a socket of sequenced packets. A request holds a JSON list (arguments, pid file) and two
descriptors: a socket for the reports on this one launch, and where output goes. Reports, in JSON, in order:

1. ``[pid]`` of the runtime, with a pidfd; or ``[0, errno]`` where it cannot be run.
2. ``[code, pid]``: the runtime has ended; if it wrote a pid file, with a pidfd of the container's process.
3. ``[code]``: that process has ended; code as a shell gives it (128 + signal).

A process is reaped only when the launch's socket is closed at the other end (what still runs is killed
then), so that until then its number is nobody else's. When the input ends, so does everything. As in
`capmin.engines.keeper`, only the standard library is imported: this runs as ``python -I -S``.
"""

import array
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
from pathlib import Path

REQUEST_LIMIT_BYTES = 1 << 16
_PR_SET_CHILD_SUBREAPER = 36


class Launch:
    """A runtime, the container that it makes, and where to report on them."""

    def __init__(self, report: socket.socket, arguments: list[str], pid_file: Path, output: int) -> None:
        self.report = report
        self.init = -1
        self._pid_file = pid_file
        pid = os.posix_spawnp(
            arguments[0],
            arguments,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
        )
        self.runtime = os.pidfd_open(pid)
        self._send([pid], self.runtime)

    def runtime_ended(self) -> None:
        code = _reap(self.runtime)
        self.runtime = -1
        pid = 0
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text())
            self.init = os.pidfd_open(pid)
        self._send([code, pid], self.init)

    def init_ended(self) -> None:
        self._send([_exit_code(self.init, os.WNOWAIT)])

    def end(self) -> None:
        """Kill and reap what is left; both die at once, and init takes its pid namespace with it."""
        for pidfd in (self.runtime, self.init):
            if pidfd >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    _reap(pidfd)
        self.report.close()

    def _send(self, message: list[int], descriptor: int = -1) -> None:
        ancillary = [] if descriptor < 0 else [array.array("i", [descriptor])]
        with contextlib.suppress(OSError):
            self.report.sendmsg(
                [json.dumps(message).encode()],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights) for rights in ancillary],
            )


class FosterParent:
    """Serves requests until there can be none any more."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)
        self._launches: dict[int, Launch] = {}

    def serve(self) -> None:
        while True:
            for ready, _ in self._poll.poll():
                if ready == self._requests.fileno():
                    if not self._launch():
                        return
                elif (launch := self._launches.get(ready)) is not None:
                    self._advance(launch, ready)

    def close(self) -> None:
        for launch in set(self._launches.values()):
            launch.end()

    def _launch(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._requests, REQUEST_LIMIT_BYTES, 2)
        if not data:
            return False
        report, output = socket.socket(fileno=descriptors[0]), descriptors[1]
        try:
            arguments, pid_file = json.loads(data)
            launch = Launch(report, arguments, Path(pid_file), output)
        except OSError as error:
            report.send(json.dumps([0, error.errno]).encode())
            report.close()
        else:
            self._watch(report.fileno(), launch)
            self._watch(launch.runtime, launch)
        finally:
            os.close(output)
        return True

    def _advance(self, launch: Launch, ready: int) -> None:
        if ready == launch.runtime:
            self._forget(ready)
            launch.runtime_ended()
            if launch.init >= 0:
                self._watch(launch.init, launch)
        elif ready == launch.init:
            self._forget(ready)
            launch.init_ended()
        else:
            for descriptor in [fd for fd, of in self._launches.items() if of is launch]:
                self._forget(descriptor)
            launch.end()

    def _watch(self, descriptor: int, launch: Launch) -> None:
        self._launches[descriptor] = launch
        self._poll.register(descriptor, select.POLLIN)

    def _forget(self, descriptor: int) -> None:
        del self._launches[descriptor]
        self._poll.unregister(descriptor)


def _reap(pidfd: int) -> int:
    try:
        return _exit_code(pidfd, 0)
    finally:
        os.close(pidfd)


def _exit_code(pidfd: int, options: int) -> int:
    """How a child ended: its exit code, or 128 + signal."""
    ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | options)
    if ended is None:
        return 0
    return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status


def _main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    parent = FosterParent(socket.socket(fileno=0))
    try:
        parent.serve()
    finally:
        parent.close()


if __name__ == "__main__":
    _main()
