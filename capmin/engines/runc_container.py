"""A container of the runc engine: mounted, started, waited for, judged as started or refused, taken down."""

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal as signals
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.engines import Container, Exit, Image, LaunchSpec, Process, keeper
from capmin.engines.etc_files import write_etc
from capmin.engines.fostering import Fostered, Fostering
from capmin.engines.never_started import NeverStarted
from capmin.engines.oci_spec import Bundle, Host, config
from capmin.engines.oci_user import resolve_user
from capmin.engines.output_tail import OutputTail
from capmin.engines.overlay import Overlay, mount_overlay, unmount
from capmin.engines.runc_init import Init
from capmin.engines.runc_words import REFUSED, exit_code_for, runc_words
from capmin.errors import EngineError, ImageError
from capmin.observe.capability_trace import CapabilityTrace
from capmin.observe.seccomp_notify import SeccompListener
from capmin.observe.status import granted_of, process_of
from capmin.privileges import Capability
from capmin.seccomp import SeccompProfile
from capmin.trial import Attempt, Granted

START_LIMIT_S = 3.0
"""How long a start is waited for: some 30 ms here, ten times that on a busy machine. A filter can stop runc
without ending it; then the container is handed out all the same, and runs into its time limit."""

_END_LIMIT_S = 10.0
_OUTPUT_LIMIT_S = 2.0
_PID_FILE = "pid"
_LOG = "log.json"
_SIGNALLED = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where an engine's containers live: its state directory and its control group."""

    path: Path
    cgroup: str
    host: Host
    ceiling: frozenset[Capability]
    fostering: Fostering


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What is launched. ``seccomp`` None is unconfined; ``network_namespace`` is shared where given."""

    identity: str
    image: Image
    argv: tuple[str, ...] | None
    capabilities: frozenset[Capability]
    seccomp: SeccompProfile | None
    hostname: str | None = None
    network_namespace: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def new_identity() -> str:
    """A container's name: twelve hexadecimal digits, which are its host name, too, as with Docker."""
    return secrets.token_hex(6)


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
        self._hostname = launch.hostname or launch.identity
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
            overlay = mount_overlay(self._path, Path(self._launch.image.handle))
            stack.callback(unmount, overlay.path)
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
        with contextlib.ExitStack() as stack:
            init = self._init_process()
            network = None if init is None else stack.enter_context(init.network_namespace())
            if network is None:
                yield NeverStarted("the container that it was to run beside is not running")
                return
            sidecar = Launch(
                identity=new_identity(),
                image=spec.image,
                argv=spec.argv,
                capabilities=self._site.ceiling,
                seccomp=None,
                hostname=self._hostname,
                network_namespace=network,
                annotations=spec.labels,
            )
            yield stack.enter_context(RuncContainer(self._site, sidecar))

    def output(self) -> str:
        return self._output.text()

    def processes(self) -> tuple[Process, ...]:
        found = ((pid, process_of(pid)) for pid in keeper.pids_in_cgroup(self._cgroup))
        return tuple(
            Process(pid=pid, parent=facts.parent, uid=facts.uid, name=facts.name)
            for pid, facts in found
            if facts is not None
        )

    def attempts(self) -> tuple[Attempt, ...] | None:
        """What was observed until now, of capabilities only until the first time that this is asked."""
        if self._listener is None and self._trace is None:
            return None
        if self._trace is not None and self._traced is None:
            init = self._init_process()
            self._traced = () if init is None else self._trace.attempts(init.pid)
        notified = () if self._listener is None else self._listener.attempts()
        return (*notified, *(self._traced or ()))

    def granted(self) -> Granted | None:
        """What its process had when all was set up and only execve remained.

        For root, execve then makes the effective set the bounding set (capabilities(7)), which is what it is
        anyway; for other users it is empty before and after. Only file capabilities or a setuid bit on the
        program make a difference.
        """
        return self._granted

    @property
    def launched(self) -> bool:
        """Whether runc went as far as execve: only then it writes its pid file (utils_linux.go)."""
        return self._init_process() is not None

    def _write_bundle(self, overlay: Overlay) -> None:
        launch, image = self._launch, self._launch.image
        argv = image.entrypoint + image.cmd if launch.argv is None else launch.argv
        if not argv:
            raise ImageError(f"{image.reference} names no command to run: give one")
        bundle = Bundle(
            root=overlay.root,
            etc=self._path,
            hostname=self._hostname,
            argv=argv,
            environment=image.environment,
            working_dir=image.working_dir,
            user=resolve_user(image.user, Path(image.handle)),
            capabilities=launch.capabilities,
            seccomp=launch.seccomp,
            cgroup=self._cgroup,
            network_namespace=launch.network_namespace,
            annotations=launch.annotations,
        )
        write_etc(self._path, self._hostname)
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
