"""A container of the runc engine: mounted, started, waited for, judged as started or refused, taken down."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal as signals
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.engines import Container, Executed, Exit, LaunchSpec, Process, keeper
from capmin.engines._process import spawn
from capmin.engines.cgroup_processes import processes_in
from capmin.engines.etc_files import write_etc
from capmin.engines.fostering import Fostered
from capmin.engines.in_root import read_in_root
from capmin.engines.never_started import NeverStarted
from capmin.engines.oci_spec import config
from capmin.engines.output_tail import OutputTail
from capmin.engines.overlay import Overlay, mount_overlay, unmount
from capmin.engines.runc_init import Init
from capmin.engines.runc_launch import Launch, Network, Site, new_identity
from capmin.engines.runc_volume import fill_volumes, place_of
from capmin.engines.runc_words import REFUSED, exit_code_for, runc_words
from capmin.errors import EngineError
from capmin.observe.capability_trace import CapabilityTrace
from capmin.observe.seccomp_notify import SeccompListener
from capmin.observe.status import granted_of
from capmin.scenario import Command
from capmin.trial import Attempt, End, Granted

START_LIMIT_S = 3.0
"""How long a start is waited for: some 30 ms here, ten times that on a busy machine. A filter can stop runc
without ending it; then the container is handed out all the same, and runs into its time limit."""

_END_LIMIT_S = 10.0
_OUTPUT_LIMIT_S = 2.0
_PID_FILE = "pid"
_LOG = "log.json"
_SIGNALLED = 128

NO_NEIGHBOUR = "the container that it was to run beside is not running"


class RuncContainer:
    """One launch; see `capmin.engines.Container` for the contract."""

    def __init__(
        self,
        site: Site,
        launch: Launch,
        listener: SeccompListener | None = None,
        trace: CapabilityTrace | None = None,
    ) -> None:
        self._site = site
        self._launch = launch
        self._listener = listener
        self._trace = trace
        self._traced: tuple[Attempt, ...] | None = None
        self._path = site.path / launch.identity
        self._cgroup = f"{site.cgroup}/{launch.identity}"
        self._runc_state = site.path / keeper.RUNC_ROOT / launch.identity
        self._teardown = contextlib.ExitStack()
        self._let_go = False
        self._granted: Granted | None = None
        self._exit: Exit | None = None
        self._starting = threading.Lock()
        self._judging = threading.Lock()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            overlay = mount_overlay(self._path, Path(self._launch.spec.image.handle))
            stack.callback(unmount, overlay.path)
            fill_volumes(self._launch.spec.mounts, overlay.root)
            self._write_bundle(overlay)
            self._fostered, self._output = self._launched()
            stack.callback(self._end)
            self._fostered.runtime_code(START_LIMIT_S)
            self._init_process()
            self._teardown = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._teardown.close()

    def wait(self, limit_s: float) -> Exit | None:
        """Wait for the container's end.

        Raises:
            EngineError: runc could not start it for a reason that has nothing to do with the grant.
        """
        deadline = time.monotonic() + limit_s
        if self._fostered.runtime_code(limit_s) is None:
            return None
        init = self._init_process()
        code = self._fostered.code(deadline - time.monotonic())
        if code is None:
            return None
        self._output.wait(_OUTPUT_LIMIT_S)
        with self._judging:
            if self._exit is None:
                self._exit = self._refusal(code) if init is None else self._end_of(init, code)
        return self._exit

    def signal(self, signal: int) -> None:
        init = self._init_process()
        if init is not None:
            init.send(signal)

    @contextlib.contextmanager
    def beside(self, spec: LaunchSpec) -> Iterator[Container]:
        """Start a sidecar; beside a container that does not run it gives one that was never started."""
        with self.network() as network:
            if network is None:
                yield NeverStarted(NO_NEIGHBOUR)
                return
            sidecar = Launch(
                identity=new_identity(),
                spec=spec,
                capabilities=self._site.ceiling,
                seccomp=None,
                network=network,
                annotations=spec.labels,
            )
            with RuncContainer(self._site, sidecar) as container:
                yield container

    @contextlib.contextmanager
    def network(self) -> Iterator[Network | None]:
        """Its network for others to join, until the end of the block; None where it does not run."""
        with contextlib.ExitStack() as stack:
            init = self._init_process()
            namespace = None if init is None else stack.enter_context(init.network_namespace())
            if namespace is None:
                yield None
            else:
                yield Network(namespace=namespace, hostname=self._launch.hostname, etc=self._etc)

    def network_namespace(self) -> Path | None:
        init = self._init_process()
        if init is None or init.has_ended(0.0):
            return None
        return Path(f"/proc/{init.pid}/ns/net")

    def execute(self, argv: Command, limit_s: float) -> Executed:
        """Run a command in it, by `runc exec`: some 30 ms."""
        if self.network_namespace() is None:
            return Executed(code=126, output="the container is not running")
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        output = OutputTail(read_end)
        root = str(self._site.path / keeper.RUNC_ROOT)
        try:
            running = spawn(["runc", "--root", root, "exec", self._launch.identity, *argv], output=write_end)
        finally:
            os.close(write_end)
        with contextlib.closing(running):
            code = running.wait(limit_s)
            if code is not None:
                output.wait(_OUTPUT_LIMIT_S)
        return Executed(
            code=_SIGNALLED - code if code is not None and code < 0 else code, output=output.text()
        )

    def read(self, path: str, limit_bytes: int) -> bytes | None:
        init = self._init_process()
        if init is not None and not init.has_ended(0.0):
            return read_in_root(Path(f"/proc/{init.pid}/root"), path, limit_bytes)
        place = place_of(path, self._launch.spec.mounts, self._path / "root")
        return None if place is None else read_in_root(*place, limit_bytes)

    def output(self) -> str:
        return self._output.text()

    def processes(self) -> tuple[Process, ...]:
        return processes_in(self._cgroup)

    def attempts(self) -> tuple[Attempt, ...] | None:
        """What was observed until now, of capabilities only until the first time that this is asked."""
        if self._listener is None and self._trace is None:
            return None
        if self._trace is not None and self._traced is None:
            init = self._init_process()
            self._traced = () if init is None else self._trace.attempts(init.pid)
        notified = () if self._listener is None else self._listener.attempts()
        return (*notified, *(self._traced or ()))

    def ends(self) -> tuple[End, ...]:
        return () if self._listener is None else self._listener.ends()

    def granted(self) -> Granted | None:
        """What its process had when all was set up and only execve remained.

        For root, execve then makes the effective set the bounding set (capabilities(7)), which is what it is
        anyway; for other users it is empty before and after. Only file capabilities or a setuid bit on the
        program make a difference.
        """
        return self._granted

    @property
    def _etc(self) -> Path:
        """Where the files are that all on one network have."""
        return self._path if self._launch.network is None else self._launch.network.etc

    @property
    def launched(self) -> bool:
        """Whether runc went as far as execve: only then it writes its pid file (utils_linux.go)."""
        return self._init_process() is not None

    def _write_bundle(self, overlay: Overlay) -> None:
        launch = self._launch
        bundle = launch.bundle(root=overlay.root, etc=self._etc, cgroup=self._cgroup)
        if launch.network is None:
            write_etc(self._path, launch.hostname, launch.spec.names)
        (self._path / "config.json").write_text(json.dumps(config(bundle, self._site.host)))

    def _launched(self) -> tuple[Fostered, OutputTail]:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        output = OutputTail(read_end)
        try:
            arguments = [
                *("runc", "--root", str(self._site.path / keeper.RUNC_ROOT)),
                *("--log", str(self._path / _LOG), "--log-format", "json", "create"),
                *("--bundle", str(self._path), "--pid-file", str(self._path / _PID_FILE)),
                self._launch.identity,
            ]
            return self._site.fostering.launch(arguments, self._path / _PID_FILE, write_end), output
        finally:
            os.close(write_end)

    def _init_process(self) -> Init | None:
        """The container's own process, once runc has made it and ended; the first to ask lets it go."""
        with self._starting:
            init = self._fostered.init
            if init is not None and not self._let_go:
                self._granted = granted_of(init.pid)
                if self._trace is not None:
                    self._trace.start()
                init.let_go(self._runc_state / "exec.fifo")
                self._let_go = True
            return init

    def _end_of(self, init: Init, code: int) -> Exit:
        """How the program ended; or runc's init, which says on stderr why it could not become the program.

        That comes from the filter (no execve, no write), from file capabilities that the grant lacks, or
        from a file that is no program. As with Docker, the exit code is init's then, and not 125.
        """
        return Exit(code=code, refused=None if init.became_program() else _first_line(self.output()))

    def _refusal(self, code: int) -> Exit:
        """What it means that runc ended and wrote no pid file.

        The evidence, in this order: ended by a signal, it is not to be judged. The words of its log, read
        as Docker's daemon does, tell whether the image has no such program. Else the filter or the
        capabilities were the reason if the filter was loaded (the listener got its descriptor) or,
        unobserved, if the same launch with every privilege is not refused. What remains is the host's
        fault.
        """
        if code > _SIGNALLED:
            raise EngineError(f"runc was killed by signal {code - _SIGNALLED}: is the host out of memory?")
        words = runc_words(self._path / _LOG) or _first_line(self.output())
        if exit_code_for(words) != REFUSED:
            return Exit(code=exit_code_for(words), refused=words)
        if self._listener.attached if self._listener else self._starts_with_every_privilege():
            return Exit(code=REFUSED, refused=words)
        raise EngineError(f"runc cannot start containers here: {words}")

    def _starts_with_every_privilege(self) -> bool:
        if self._launch.seccomp is None and self._launch.capabilities == self._site.ceiling:
            return False
        control = dataclasses.replace(
            self._launch, identity=new_identity(), seccomp=None, capabilities=self._site.ceiling
        )
        with RuncContainer(self._site, control) as container:
            return container.launched

    def _end(self) -> None:
        """Kill the container, and take its state and control groups down as `runc delete` would.

        That costs 1 ms here, and a process of runc's 10. Where the start itself hangs, runc and what it has
        put into the control group so far are killed.
        """
        init = self._fostered.init
        if init is not None:
            init.send(signals.SIGKILL)
        if init is None or not init.has_ended(_END_LIMIT_S):
            keeper.kill_cgroup(self._cgroup)
        self._fostered.close()
        keeper.remove_cgroup(self._cgroup)
        shutil.rmtree(self._runc_state, ignore_errors=True)
        self._output.wait(_OUTPUT_LIMIT_S)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else "the runtime said nothing"
