"""An engine without containers: every launch is a run of a scripted program, and takes microseconds.

For tests of all that is above engines. An image is a `Program`; what it uses are privileges by their usual
names, or any other names. A scenario with a service shows everything that real ones do: a program that dies
ends the service, and one that fails only at its end is probed with success, but lacks its worker.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EPERM
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.engines import Container, Executed, Exit, Image, LaunchSpec, Observe, Process, Volume
from capmin.engines.simulated_program import Program, Run
from capmin.errors import ImageError
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.scenario import Command
from capmin.seccomp import FLOOR, Action
from capmin.trial import Attempt, End, Granted

DIED = Exit(code=70)
"""EX_SOFTWARE of sysexits.h: any code would do."""

_STEP_S = 1e-4


class SimulatedEngine:
    """Launches scripted programs.

    The luck of a launch depends on ``seed``, on the grant, and on how often that was launched before: not on
    the order in which threads launch different grants.

    Args:
        programs: by the references of their images.
        ceiling: what the host could give.
        observes_syscalls: whether denied system calls are reported.
        observes_capabilities: the same of checks of capabilities.
        seed: what false failures depend on.
    """

    name = "simulated"
    version = "1"
    architecture = "x86_64"

    def __init__(
        self,
        programs: Mapping[str, Program],
        *,
        ceiling: frozenset[Capability] = frozenset(CAPABILITIES),
        observes_syscalls: bool = True,
        observes_capabilities: bool = True,
        seed: int = 0,
    ) -> None:
        self.ceiling = ceiling
        self.observes_syscalls = observes_syscalls
        self.observes_capabilities = observes_capabilities
        self._programs = dict(programs)
        self._seed = seed
        self._launched: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()

    def default_syscalls(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        """All that any program uses; on what depends on capabilities no program here does."""
        del capabilities
        used = frozenset[str]().union(*(program.privileges() for program in self._programs.values()))
        return FLOOR | {Syscall(name) for name in used.difference(CAPABILITIES)}

    def watchable(self, capabilities: frozenset[Capability]) -> frozenset[Syscall]:
        return self.default_syscalls(capabilities)

    def image(self, reference: str) -> Image:
        if reference not in self._programs:
            raise ImageError(f"no image {reference}: there are {', '.join(sorted(self._programs))}")
        content = hashlib.sha256(repr(self._programs[reference]).encode()).hexdigest()
        return Image(reference=reference, digest=f"sha256:{content}", handle=reference)

    @contextmanager
    def volume(self) -> Iterator[Volume]:
        """A volume that nobody writes to."""
        yield Volume(handle="simulated")

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        syscalls = self._syscalls(spec, grant)
        luck = self._luck(grant)
        let_through = frozenset[Syscall]()
        if spec.observe is Observe.USES:
            let_through = self.default_syscalls(grant.capabilities) - syscalls
        run = self._programs[spec.image.handle].run(grant.capabilities | syscalls | let_through, seed=luck)
        attempts = None
        if spec.observe is not Observe.NOTHING or spec.observe_capabilities:
            attempts = tuple(_seen(run, spec, grant.capabilities | syscalls, let_through))
        yield SimulatedContainer(
            run,
            is_service=spec.argv is None,
            attempts=attempts,
            granted=Granted(
                bounding=grant.capabilities,
                effective=grant.capabilities,
                seccomp_mode=2,
                no_new_privileges=False,
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def _syscalls(self, spec: LaunchSpec, grant: Grant) -> frozenset[Syscall]:
        """What the filter allows: that of the spec, else the one made from the grant."""
        if spec.seccomp_profile is not None:
            rules = spec.seccomp_profile.rules
            return frozenset(name for rule in rules if rule.action is Action.ALLOW for name in rule.names)
        return FLOOR | (
            self.default_syscalls(grant.capabilities) if grant.syscalls is None else grant.syscalls
        )

    def _luck(self, grant: Grant) -> str:
        question = (str(grant.syscalls is None), *sorted(grant.privileges))
        with self._lock:
            self._launched[question] += 1
            return f"{self._seed} {self._launched[question]} {question}"


def _seen(
    run: Run, spec: LaunchSpec, granted: frozenset[Privilege], let_through: frozenset[Syscall]
) -> Iterator[Attempt]:
    """What an observer reports of a run."""
    watched = spec.watched if spec.observe is Observe.DENIALS else frozenset()
    for name, places in _places(run).items():
        is_capability = name in CAPABILITIES
        if is_capability and not spec.observe_capabilities:
            continue
        if not is_capability and (spec.observe is Observe.NOTHING or name in granted - watched):
            continue
        denied = name not in granted and name not in let_through
        yield Attempt(
            privilege=Capability(name) if is_capability else Syscall(name),
            syscall=None if is_capability else Syscall(name),
            program="program",
            errno=(EPERM if is_capability else spec.denied_errno) if denied else None,
            count=len(places),
            first_s=places[0] * _STEP_S,
            last_s=places[-1] * _STEP_S,
        )


def _places(run: Run) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(run.attempts):
        places.setdefault(name, []).append(place)
    return places


class SimulatedContainer:
    """A run that is over, shown as a container.

    One that was given a command is that command, and its exit code tells whether it passed. A service that
    has not died goes on for ever, with a worker unless its test is to fail.
    """

    def __init__(
        self,
        run: Run,
        *,
        is_service: bool,
        attempts: tuple[Attempt, ...] | None = (),
        granted: Granted | None = None,
    ) -> None:
        self._run = run
        self._is_service = is_service
        self._attempts = attempts
        self._granted = granted

    @property
    def _lives(self) -> bool:
        return self._is_service and self._run.ended_normally

    def wait(self, limit_s: float) -> Exit | None:
        """Tell how it ended; nothing is waited for, since nothing can change."""
        del limit_s
        if self._lives:
            return None
        return Exit(code=0) if self._run.passes else DIED

    def signal(self, signal: int) -> None:
        """Nothing is running that could get it."""

    @contextmanager
    def beside(self, spec: LaunchSpec) -> Iterator[Container]:
        """A probe, which passes while the service lives."""
        del spec
        yield SimulatedContainer(
            Run(passes=self._lives, ended_normally=True, attempts=()), is_service=False, granted=None
        )

    def execute(self, argv: Command, limit_s: float) -> Executed:
        del argv, limit_s
        return Executed(code=0 if self._lives else 126, output="")

    def read(self, path: str, limit_bytes: int) -> bytes | None:
        """There are no files."""

    def network_namespace(self) -> Path | None:
        """There is no network."""

    def output(self) -> str:
        """One that dies says nothing: what real programs say of what stopped them would be a guess here."""
        failed = self._run.ended_normally and not self._run.passes
        return "failed\n" if failed else ""

    def processes(self) -> tuple[Process, ...]:
        """A master, and a worker where all is well."""
        if not self._lives:
            return ()
        master = Process(pid=1, parent=0, uid=0, name="master")
        worker = Process(pid=2, parent=1, uid=1000, name="worker")
        return (master, worker) if self._run.passes else (master,)

    def attempts(self) -> tuple[Attempt, ...] | None:
        return self._attempts

    def ends(self) -> tuple[End, ...]:
        """There is one process, which shows all it has to show in `attempts`."""
        return ()

    def granted(self) -> Granted | None:
        return self._granted
