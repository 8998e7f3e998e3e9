"""The tables of a workload file, as ``workloads/README.md`` documents them."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from capmin.engines.debian import Variant
from capmin.errors import UsageError
from capmin.scenario import parse_command


def _command(value: object) -> object:
    """A string is for the image's shell, a list is run as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse_command(value)
    except UsageError as error:
        raise PydanticCustomError("command", "{reason}", {"reason": str(error)}) from error


Words = Annotated[tuple[str, ...], Field(min_length=1)]
TestCommand = Annotated[Words, BeforeValidator(_command)]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
Port = Annotated[str, Field(pattern=r"^\d{1,5}(/(tcp|udp|sctp))?$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DebianTable(_Table):
    suite: Annotated[str, Field(pattern=r"^[a-z]+$")] = "bookworm"
    variant: Variant = "essential"
    packages: tuple[PackageName, ...] = ()


class ImageTable(_Table):
    """Where the image comes from; all but ``reference`` and ``name`` is for one that is built."""

    reference: str | None = None
    debian: DebianTable | None = None
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")] | None = None
    files: str | None = None
    run: tuple[TestCommand, ...] = ()
    entrypoint: Words | None = None
    cmd: Words | None = None
    env: Mapping[str, str] = Field(default_factory=dict)
    user: str | None = None
    working_dir: Annotated[str, Field(pattern="^/")] | None = None
    stop_signal: str | None = None
    exposed_ports: tuple[Port, ...] = ()
    volumes: tuple[Annotated[str, Field(pattern="^/")], ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.reference is None) == (self.debian is None):
            raise PydanticCustomError("origin", "give either reference or debian")
        extra = self.model_fields_set - {"reference", "name"}
        if self.reference is not None and extra:
            listed = ", ".join(sorted(extra))
            raise PydanticCustomError(
                "origin", "{listed}: only for an image that is built", {"listed": listed}
            )
        return self

    def configuration(self) -> dict[str, Any]:
        """As the image's configuration has it (OCI image-spec, config.md)."""
        values: dict[str, Any] = {
            "Entrypoint": self.entrypoint,
            "Cmd": self.cmd,
            "Env": [f"{name}={value}" for name, value in self.env.items()],
            "User": self.user,
            "WorkingDir": self.working_dir,
            "StopSignal": self.stop_signal,
            "ExposedPorts": {port if "/" in port else f"{port}/tcp": {} for port in self.exposed_ports},
            "Volumes": {volume: {} for volume in self.volumes},
        }
        return {key: value for key, value in values.items() if value}


class ScenarioTable(_Table):
    name: Annotated[str, Field(min_length=1)] = "test"
    test: TestCommand
    service: bool = False
    test_image: str | None = None

    @model_validator(mode="after")
    def _image_for_service(self) -> Self:
        if self.test_image is not None and not self.service:
            raise PydanticCustomError("test_image", "test_image is for a service: set service = true")
        return self


class WorkloadTable(_Table):
    description: str = ""
    image: ImageTable
    scenario: tuple[ScenarioTable, ...] = ()
