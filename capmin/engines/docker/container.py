"""A container of a Docker daemon, from its creation to its removal."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from capmin.engines import Container, Executed, Exit, LaunchSpec, Process
from capmin.engines.cgroup_processes import processes_in
from capmin.engines.docker.daemon import Daemon
from capmin.engines.docker.faults import daemon_faults, explanation, refusal
from capmin.engines.docker.inside import execute, read
from capmin.engines.docker.output import Tail
from capmin.engines.keeper import cgroup_directories
from capmin.engines.never_started import NeverStarted
from capmin.observe.seccomp_notify import SeccompListener
from capmin.observe.status import granted_of, program_of
from capmin.scenario import Command
from capmin.trial import Attempt, End, Granted

if TYPE_CHECKING:
    from docker.types.daemon import CancellableStream

_NEVER_STARTED = 125
"""docker run's exit code where the runtime failed; the daemon's own number for it is 128."""

_EXEC_LIMIT_S = 1.0
_FOLLOWER_LIMIT_S = 5.0
_CONFLICT = 409
_GONE_WORDS = ("is not running", "ttrpc: closed")
"""What the daemon says of a container that has ended, or ends while it asks the container's shim."""


class Sidecars(Protocol):
    """What starts a container beside another one."""

    def beside(self, neighbour: str, spec: LaunchSpec) -> AbstractContextManager[Container]: ...


class DockerContainer:
    """A container that was started, or refused by the runtime.

    One thread reads all that it writes, and then waits for its exit code: the daemon closes the connection
    when the container has ended, or closed its output.
    """

    def __init__(self, daemon: Daemon, sidecars: Sidecars, listener: SeccompListener | None) -> None:
        self.identity = ""
        self._daemon = daemon
        self._sidecars = sidecars
        self._listener = listener
        self._tail = Tail()
        self._exit: Exit | None = None
        self._fault: Exception | None = None
        self._granted: Granted | None = None
        self._pid: int | None = None
        self._cgroup: str | None = None
        self._ended = threading.Event()
        self._stream: CancellableStream[bytes] | None = None
        self._follower: threading.Thread | None = None

    def start(self, identity: str) -> None:
        """Start the program of a container that was created; every byte that it writes is followed.

        Raises:
            EngineError: for any reason but what the container was granted.
        """
        self.identity = identity
        client = self._daemon.client
        with daemon_faults(self._daemon.address):
            # Attached before the start, and nothing is missed.
            self._stream = client.attach(self.identity, stdout=True, stderr=True, stream=True)
            try:
                client.start(self.identity)
            except APIError as error:
                words = refusal(error)
                if words is None:
                    raise
                self._refuse(words)
                return
            self._follower = threading.Thread(
                target=self._follow, name=f"docker-{self.identity[:12]}", daemon=True
            )
            self._follower.start()
        if self._daemon.is_local and self._listener is None:
            self._granted = self._read_granted()

    def wait(self, limit_s: float) -> Exit | None:
        self._ended.wait(limit_s)
        if self._fault is not None:
            with daemon_faults(self._daemon.address):
                raise self._fault
        return self._exit

    def signal(self, signal: int) -> None:
        with daemon_faults(self._daemon.address):
            try:
                self._daemon.client.kill(self.identity, signal)
            except APIError as error:
                if error.status_code != _CONFLICT:  # it has ended
                    raise

    def beside(self, spec: LaunchSpec) -> AbstractContextManager[Container]:
        """Start a sidecar; beside a container that does not run it gives one that was never started."""
        if not is_running(self):
            return nullcontext(NeverStarted("the container that it was to run beside is not running"))
        return self._sidecars.beside(self.identity, spec)

    def execute(self, argv: Command, limit_s: float) -> Executed:
        """Run a command in it, by docker exec."""
        return execute(self._daemon, self.identity, argv, limit_s)

    def read(self, path: str, limit_bytes: int) -> bytes | None:
        return read(self._daemon, self.identity, path, limit_bytes)

    def network_namespace(self) -> Path | None:
        if not self._daemon.is_local or self._ended.is_set():
            return None
        if self._pid is None:
            with daemon_faults(self._daemon.address):
                self._pid = self._daemon.client.inspect_container(self.identity)["State"]["Pid"]
        return Path(f"/proc/{self._pid}/ns/net") if self._is_ours(self._pid) else None

    def output(self) -> str:
        return self._tail.text()

    def processes(self) -> tuple[Process, ...]:
        """What runs in it; pids are those of the daemon's host.

        Where that is this one, the daemon is not asked. It would run `ps` over the whole host each time, for
        20 ms, and a hundred times in a launch of postgres, which needs the processor itself (measured).
        """
        if self._cgroup is None and self.network_namespace() is not None:
            cgroup = self._cgroup_of(self._pid or 0)
            # Seen from a control group namespace of our own, it may have no directory here.
            self._cgroup = cgroup if cgroup is not None and cgroup_directories(cgroup) else None
        return self._listed() if self._cgroup is None else processes_in(self._cgroup)

    def attempts(self) -> tuple[Attempt, ...] | None:
        return None if self._listener is None else self._listener.attempts()

    def ends(self) -> tuple[End, ...]:
        return () if self._listener is None else self._listener.ends()

    def granted(self) -> Granted | None:
        if self._listener is not None and self._listener.granted is not None:
            return self._listener.granted
        return self._granted

    def close(self) -> None:
        """Let go of the connection, after the container was removed: that ends it, and its follower."""
        if self._follower is not None:
            self._follower.join(_FOLLOWER_LIMIT_S)
        if self._stream is not None:
            with suppress(OSError, DockerException, RequestException):
                # Its own close() shuts the connection down and leaves it open (docker-py 7.2).
                self._stream._response.close()  # type: ignore[attr-defined] # noqa: SLF001

    def _refuse(self, words: str) -> None:
        with daemon_faults(self._daemon.address):
            code = self._daemon.client.inspect_container(self.identity)["State"]["ExitCode"]
        self._exit = Exit(code=code if code in (126, 127) else _NEVER_STARTED, refused=words)
        self._ended.set()

    def _follow(self) -> None:
        try:
            for chunk in self._stream or ():
                self._tail.add(chunk)
            # Without a limit: it ends with the container, which is removed in any case.
            status = self._daemon.client.wait(self.identity, timeout=None)
            self._exit = Exit(code=status["StatusCode"])
        except NotFound:
            pass  # removed while running: the block ended
        except (DockerException, RequestException, OSError, ValueError) as error:
            self._fault = error
        finally:
            self._ended.set()

    def _listed(self) -> tuple[Process, ...]:
        """What `ps` on the daemon's host says."""
        with daemon_faults(self._daemon.address):
            try:
                table = self._daemon.client.top(self.identity, ps_args="-eo pid,ppid,euid,comm")
            except APIError as error:
                words = explanation(error)
                if error.status_code == _CONFLICT or any(gone in words for gone in _GONE_WORDS):
                    return ()
                raise
        return tuple(
            Process(pid=int(pid), parent=int(parent), uid=int(uid), name=name)
            for pid, parent, uid, name in table["Processes"] or ()
        )

    def _read_granted(self) -> Granted | None:
        """What the kernel says of the program, once runc's init has become it.

        Before, a user other than root still has what execve takes from it.
        """
        with daemon_faults(self._daemon.address):
            pid = self._daemon.client.inspect_container(self.identity)["State"]["Pid"]
        self._pid = pid or None
        deadline = time.monotonic() + _EXEC_LIMIT_S
        while self._is_ours(pid):
            program, granted = program_of(pid), granted_of(pid)
            if granted is not None and not program.startswith("runc:["):
                return granted
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)  # there is no event for execve without a filter of ours
        return None

    def _is_ours(self, pid: int) -> bool:
        return self._cgroup_of(pid) is not None

    def _cgroup_of(self, pid: int) -> str | None:
        """The control group of a process if it is the container's, and thereby on this machine."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines() if pid > 0 else []
        except OSError:
            return None
        paths = (line.split(":", 2)[2] for line in lines)
        return next((path.removeprefix("/") for path in paths if self.identity in path), None)


def is_running(container: Container) -> bool:
    """Whether a container has not ended."""
    return container.wait(0.0) is None


@contextmanager
def created(daemon: Daemon, config: dict[str, Any], name: str) -> Iterator[str]:
    """A container that exists, not started, until the end of the block; gives its ID.

    Raises:
        EngineError: it cannot be created, or not be removed.
    """
    client = daemon.client
    with daemon_faults(daemon.address):
        try:
            identity = client.create_container_from_config(config, name=name)["Id"]  # type: ignore[no-untyped-call] # of the stubs
        except (RequestException, OSError):
            # The daemon may have made it all the same.
            with suppress(DockerException, RequestException, OSError):
                client.remove_container(name, force=True, v=True)
            raise
    try:
        yield str(identity)
    finally:
        remove(daemon, identity)


def remove(daemon: Daemon, identity: str) -> None:
    """Kill and remove a container with its anonymous volumes; nothing happens where there is none.

    Raises:
        EngineError: it may be left behind.
    """
    with daemon_faults(daemon.address):
        try:
            daemon.client.remove_container(identity, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != _CONFLICT:  # "removal of container ... is already in progress"
                raise
