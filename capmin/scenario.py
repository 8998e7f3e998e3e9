"""A scenario: what is launched and how it is judged."""

import json
import signal as signals
from dataclasses import dataclass
from enum import StrEnum

from capmin.errors import UsageError

Command = tuple[str, ...]
SHELL: Command = ("/bin/sh", "-c")


class Place(StrEnum):
    """Where the test command of a service runs."""

    SIDECAR = "sidecar"
    """In a container of its own, with every privilege, on the same network: it does not count."""

    INSIDE = "inside"
    """In the searched container, as by docker exec: what it needs counts."""

    HOST = "host"
    """As a program of the host, on the container's network, told by CAPMIN_HOST and CAPMIN_PORT."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpProbe:
    """A request that capmin makes itself; any answer below 400 passes where no ``status`` is given."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    status: int | None = None
    contains: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpProbe:
    """A connection that capmin makes itself; it passes once ``expect`` is in what comes back."""

    port: int
    send: str = ""
    expect: str = ""

    def __str__(self) -> str:
        return f"tcp {self.port}"


class Phase(StrEnum):
    """A part of a scenario; every one begins with the start of the container."""

    TEST = "test"
    RELOAD = "reload"
    RESTART = "restart"
    """Stopped as by `STOP`, and a new container started on the same volumes."""

    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """When a service is ready for its test: all of what is given holds.

    ``log`` is a regular expression to be found in its output; ``command`` runs inside; ``healthcheck`` is
    the image's own command.
    """

    port: int | None = None
    log: str | None = None
    command: Command | None = None
    healthcheck: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reload:
    """How a service is told to read its configuration again, and the line in its log that says it has."""

    signal: str | None = None
    command: Command | None = None
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """How a service is stopped: by ``signal``, else the image's own.

    It has to end within ``limit_s`` with one of ``exit_codes``; by default 0, or 128 + signal.
    """

    signal: str | None = None
    exit_codes: tuple[int, ...] = ()
    limit_s: float = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFile:
    """A file or directory of the host that a container reads; ``digest`` is of all that is in it."""

    source: str
    target: str
    digest: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """How a container is launched, in the words of docker run.

    ``volumes`` are pairs of a name and a path: one volume of each name is made for a launch of the scenario,
    and shared by all its containers. ``arguments`` replace the image's command.
    """

    environment: tuple[str, ...] = ()
    user: str | None = None
    arguments: Command = ()
    volumes: tuple[tuple[str, str], ...] = ()
    read_only_volumes: tuple[tuple[str, str], ...] = ()
    tmpfs: tuple[str, ...] = ()
    files: tuple[PublishedFile, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Companion:
    """A container beside the searched one, with Docker's default privileges, on one network with it."""

    name: str
    image: str
    setting: Setting = Setting()
    ready: Ready | None = None


OUTPUT, ANSWERS, LOG = "output", "answers", "log"
"""What can be compared with the baseline's besides files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One way to launch an image and to judge it.

    Without ``service`` the test is the container's own process, and its exit code tells; each test of
    ``phases`` is a container of its own, on the same volumes. With ``service`` the image's own entrypoint
    runs, and the test and the ``probes`` beside it: once where ``ready`` says when, else again and again
    until they pass.

    ``alias`` is the searched container's name on the network; ``port`` is what CAPMIN_PORT says. ``compare``
    names what is compared with the baseline's (`OUTPUT`, `ANSWERS`, `LOG`, paths of files); None: what is
    useful. What matches one of ``masks``, regular expressions, may vary.
    """

    name: str = "test"
    test: Command = ()
    service: bool = False
    test_image: str | None = None
    test_in: Place = Place.SIDECAR
    probes: tuple[HttpProbe | TcpProbe, ...] = ()
    phases: tuple[Phase, ...] = (Phase.TEST,)
    ready: Ready | None = None
    reload: Reload | None = None
    stop: Stop = Stop()
    setting: Setting = Setting()
    alias: str = ""
    port: int | None = None
    companions: tuple[Companion, ...] = ()
    compare: tuple[str, ...] | None = None
    masks: tuple[str, ...] = ()
    folder: str = ""

    @property
    def compared(self) -> tuple[str, ...]:
        """What is compared with the baseline's.

        By default what clients of a service see. What a program prints when it is denied something is no
        failure by itself, so that its own output is only compared where that is asked for.
        """
        if self.compare is not None:
            return self.compare
        if not self.service:
            return ()
        return (ANSWERS,) if self.test_in is Place.INSIDE else (OUTPUT, ANSWERS)


def signal_number(name: str) -> int:
    """A signal as image configurations spell it: ``SIGQUIT``, ``QUIT``, ``3``, ``SIGRTMIN+3``.

    Raises:
        UsageError: there is none of that name.
    """
    base, _, offset = name.upper().removeprefix("SIG").partition("+")
    try:
        number = int(base) if base.isdecimal() else signals.Signals[f"SIG{base}"].value
        number += int(offset or 0)
    except (KeyError, ValueError):
        number = 0
    if not 1 <= number <= signals.SIGRTMAX:
        raise UsageError(f"there is no signal {name}")
    return number


def parse_command(text: str) -> Command:
    """A command as ``--test`` takes it: a JSON list is the exec form, anything else is for the image's shell.

    Raises:
        UsageError: the text is empty, or starts like a JSON list and is not one of strings.
    """
    if not text.strip():
        raise UsageError(
            'the test command is empty: give a shell command, or a JSON list such as \'["nginx", "-t"]\''
        )
    if not text.lstrip().startswith("["):
        return (*SHELL, text)
    try:
        words = json.loads(text)
    except ValueError as error:
        # `[ -f /etc/passwd ]` and `[ "$USER" ]` are tests too, of the shell; it has no command `["`.
        if not text.lstrip().startswith('["'):
            return (*SHELL, text)
        raise UsageError(f"the test command looks like a JSON list, and is none: {error}: {text}") from error
    if not words or not all(isinstance(word, str) for word in words):
        raise UsageError(f"the test command is not a JSON list of strings: {text}")
    return tuple(words)
