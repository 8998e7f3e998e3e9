"""The tables of a workload file, as ``workloads/README.md`` documents them."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from capmin.engines.debian import Variant
from capmin.workload.scenario_schema import ScenarioTable
from capmin.workload.tables import Table, TestCommand, Words

PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
Port = Annotated[str, Field(pattern=r"^\d{1,5}(/(tcp|udp|sctp))?$")]


class DebianTable(Table):
    suite: Annotated[str, Field(pattern=r"^[a-z]+$")] = "bookworm"
    variant: Variant = "essential"
    packages: tuple[PackageName, ...] = ()


class ImageTable(Table):
    """Where the image comes from; what is after ``name`` is for one that is made of Debian's packages."""

    reference: str | None = None
    containerfile: str | None = None
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
    healthcheck: TestCommand | None = None
    exposed_ports: tuple[Port, ...] = ()
    volumes: tuple[Annotated[str, Field(pattern="^/")], ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = self.model_fields_set & {"reference", "containerfile", "debian"}
        if len(origins) != 1:
            raise PydanticCustomError("origin", "give one of reference, containerfile and debian")
        extra = self.model_fields_set - {*origins, "name"}
        if self.debian is None and extra:
            listed = ", ".join(sorted(extra))
            raise PydanticCustomError(
                "origin", "{listed}: only for an image that is made with debian", {"listed": listed}
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
            "Healthcheck": {"Test": ["CMD", *self.healthcheck]} if self.healthcheck else None,
        }
        return {key: value for key, value in values.items() if value}


class WorkloadTable(Table):
    description: str = ""
    image: ImageTable
    scenario: tuple[ScenarioTable, ...] = ()
