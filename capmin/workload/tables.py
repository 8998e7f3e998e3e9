"""What the tables of a workload file have in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

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


class Table(BaseModel):
    """A table in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)
