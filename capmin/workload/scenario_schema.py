"""The ``[[scenario]]`` tables of a workload file, as ``workloads/README.md`` documents them."""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from capmin.errors import UsageError
from capmin.scenario import ANSWERS, LOG, OUTPUT, SHELL, Phase, Place, signal_number
from capmin.workload.tables import Table, TestCommand, Words


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError(
            "pattern", "not a regular expression: {why}", {"why": str(error)}
        ) from error
    return text


def _signal(name: str) -> str:
    try:
        signal_number(name)
    except UsageError as error:
        raise PydanticCustomError("signal", "{why}", {"why": str(error)}) from error
    return name


def _compared(what: str) -> str:
    if what not in (OUTPUT, ANSWERS, LOG) and not what.startswith("/"):
        raise PydanticCustomError("compare", "is neither output, answers nor log, nor an absolute path")
    return what


Pattern = Annotated[str, AfterValidator(_pattern)]
Signal = Annotated[str, AfterValidator(_signal)]
Compared = Annotated[str, AfterValidator(_compared)]
AbsolutePath = Annotated[str, Field(pattern="^/.")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class HttpTable(Table):
    url: Annotated[str, Field(pattern=r"^https?://[^/]+")]
    method: Annotated[str, Field(pattern=r"^[A-Z]+$")] = "GET"
    headers: Mapping[str, str] = Field(default_factory=dict)
    body: str = ""
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    contains: str = ""


class TcpTable(Table):
    port: PortNumber
    send: str = ""
    expect: str = ""


class ReadyTable(Table):
    port: PortNumber | None = None
    log: Pattern | None = None
    command: TestCommand | None = None
    healthcheck: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("ready", "says nothing: give port, log, command or healthcheck")
        return self


class ReloadTable(Table):
    signal: Signal | None = None
    command: TestCommand | None = None
    log: Pattern | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.signal is None) == (self.command is None):
            raise PydanticCustomError("reload", "give either signal or command")
        return self


class StopTable(Table):
    signal: Signal | None = None
    exit_codes: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()
    limit_s: Annotated[float, Field(gt=0)] = 10.0


class SettingTable(Table):
    """How a container is launched: docker run's words."""

    env: Mapping[str, str] = Field(default_factory=dict)
    user: str | None = None
    arguments: Words | None = None
    volumes: Mapping[Name, AbsolutePath] = Field(default_factory=dict)
    read_only_volumes: Mapping[Name, AbsolutePath] = Field(default_factory=dict)
    tmpfs: tuple[AbsolutePath, ...] = ()
    files: Mapping[str, AbsolutePath] = Field(default_factory=dict)


class CompanionTable(SettingTable):
    name: Name
    image: str | None = None
    workload: str | None = None
    ready: ReadyTable | None = None

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if (self.image is None) == (self.workload is None):
            raise PydanticCustomError("companion", "give either image or workload")
        return self


class ScenarioTable(SettingTable):
    name: Annotated[str, Field(min_length=1)] = "test"
    test: TestCommand | None = None
    service: bool = False
    test_image: str | None = None
    test_in: Place = Place.SIDECAR
    http: tuple[HttpTable, ...] = ()
    tcp: tuple[TcpTable, ...] = ()
    port: PortNumber | None = None
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)] = (Phase.TEST,)
    ready: ReadyTable | None = None
    reload: ReloadTable | None = None
    stop: StopTable = StopTable()
    alias: Name | None = None
    companion: tuple[CompanionTable, ...] = ()
    compare: tuple[Compared, ...] | None = None
    masks: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _test_fits(self) -> Self:
        if self.test_image is not None and not self.service:
            raise PydanticCustomError("test_image", "test_image is for a service: set service = true")
        if self.test is None and not (self.service and (self.http or self.tcp)):
            raise PydanticCustomError(
                "missing_test", "has no test (nor http or tcp, which are for a service)"
            )
        if self.test_in is Place.HOST and self.test is not None and self.test[:2] == SHELL:
            raise PydanticCustomError("host", "a test on the host is a list of words: no shell is run there")
        return self

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        if Phase.TEST not in self.phases:
            raise PydanticCustomError("phases", "phases has no test")
        if Phase.STOP in self.phases[:-1]:
            raise PydanticCustomError("phases", "in phases, nothing can follow a stop (restart stops, too)")
        extra = self.model_fields_set & {"http", "tcp", "ready", "reload", "stop", "port"}
        extra |= set(self.phases) - {Phase.TEST}
        if extra and not self.service:
            listed = ", ".join(sorted(map(str, extra)))
            raise PydanticCustomError(
                "phases", "{listed}: for a service: set service = true", {"listed": listed}
            )
        if self.reload is not None and Phase.RELOAD not in self.phases:
            raise PydanticCustomError("phases", "phases has no reload, though there is a way to do it")
        return self


SCENARIO_TABLES: tuple[type[BaseModel], ...] = (
    ScenarioTable, CompanionTable, HttpTable, TcpTable, ReadyTable, ReloadTable, StopTable,
)  # fmt: skip
