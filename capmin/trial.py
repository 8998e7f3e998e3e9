"""What an experiment yields: attempts on privileges, launches as observed, and the verdict on a trial."""

from dataclasses import dataclass
from enum import StrEnum

from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """An attempt to use a privilege, as an observer saw it; many alike are one, counted.

    ``errno`` is what the attempt was answered with: None where it was let through, otherwise the attempt is
    a *denial*. ``syscall`` is the call in which a capability was asked for; for a system call, the call.
    Times are seconds since the program was started.
    """

    privilege: Privilege
    syscall: Syscall | None
    program: str
    errno: int | None
    count: int
    first_s: float
    last_s: float

    @property
    def denied(self) -> bool:
        return self.errno is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The end of a process that was denied something, or that ended with an error.

    ``code`` is what it exited with, 0 to 255; None where it was killed, or still there at the end of the
    launch. ``denied`` are the system calls that it was denied, by their last attempt. ``at_s`` is when it
    ended, or was last seen, in seconds since the program was started.
    """

    program: str
    code: int | None
    denied: tuple[Syscall, ...]
    at_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """What the kernel says that the started process has (/proc/PID/status)."""

    bounding: frozenset[Capability]
    effective: frozenset[Capability]
    seccomp_mode: int
    no_new_privileges: bool


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Program:
    """A program that ran, and as which user on the host: its name in /proc, and its effective user id."""

    name: str
    uid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a scenario showed in one of its phases, to be compared with the baseline's.

    ``source`` is ``output`` (the test's), ``log`` (the service's), a path, or a request.
    """

    phase: str
    source: str
    text: str


COMPANIONS = "companions"
"""The phase in which a launch that cannot be judged has failed: what runs beside it did not start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """A scenario played once, as observed; nothing judged. Its phases may have taken several containers.

    ``exit_code`` is the test's: of the container's own process in a one-shot scenario, of the last probe
    beside a service; None where it never ended by itself. ``service_exit_code`` is set where the service
    ended though it should have gone on. ``refused`` holds the runtime's words where it could not start the
    program. In ``stalled_s`` of its duration some task of the host waited for a
    processor. ``output`` is the searched container's, ``probe_output`` that of the last probe beside it.
    ``programs`` are those that ran in a service after its test had passed, ``spawned`` is how many processes
    were seen in it in all. ``attempts`` and ``granted`` are None where the engine cannot tell. System calls
    ``watched`` are among the attempts where they are granted, too. ``ends`` are of its processes, in their
    order.

    ``phase`` is the one that it ended in, with ``trouble`` where something else went wrong than the exit
    codes tell; ``phases_s`` says how long each took, and ``waited_s`` for how long nothing was done but wait
    for a success. ``answers`` are to be compared with the baseline's.
    """

    scenario: str
    grant: Grant
    exit_code: int | None
    duration_s: float
    stalled_s: float = 0.0
    service_exit_code: int | None = None
    refused: str | None = None
    timed_out: bool = False
    output: str = ""
    probe_output: str = ""
    programs: frozenset[Program] = frozenset()
    spawned: int = 0
    phase: str = ""
    trouble: str | None = None
    phases_s: tuple[tuple[str, float], ...] = ()
    waited_s: float = 0.0
    answers: tuple[Answer, ...] = ()
    attempts: tuple[Attempt, ...] | None = None
    ends: tuple[End, ...] = ()
    watched: frozenset[Syscall] = frozenset()
    granted: Granted | None = None

    @property
    def denials(self) -> tuple[Attempt, ...] | None:
        """The attempts that were denied, the one nearest the end of the run last."""
        if self.attempts is None:
            return None
        return tuple(sorted((a for a in self.attempts if a.denied), key=lambda a: a.last_s))


class Verdict(StrEnum):
    """What a trial says about its grant."""

    WORKS = "works"
    BREAKS = "breaks"
    UNRESOLVED = "unresolved"
    """The launch itself could not be judged; nothing is concluded from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenTrial:
    """A trial that was begun and has no verdict, with the launches made so far."""

    number: int
    phase: str
    grant: Grant
    launches: tuple[Launch, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A grant, all launches of the scenarios under it, and what they say together.

    ``number`` counts from 1 within a campaign; ``reason`` is one line for people; ``phase`` is the part of
    the campaign that asked.
    """

    number: int
    phase: str
    grant: Grant
    launches: tuple[Launch, ...]
    verdict: Verdict
    reason: str
    degraded: bool = False

    @property
    def duration_s(self) -> float:
        return sum(launch.duration_s for launch in self.launches)
