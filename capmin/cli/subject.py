"""What a command is about: an image and its scenarios, from the command line or from a workload."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from capmin.errors import UsageError
from capmin.scenario import Scenario, parse_command
from capmin.workload import load_workload

_Command = TypeVar("_Command", bound=Callable[..., object])

_OPTIONS = (
    click.option(
        "--test", help="The test: a command for the image's shell, or a JSON list to run without one."
    ),
    click.option("--service", is_flag=True, help="Run the image's own entrypoint, and the test beside it."),
    click.option("--test-image", help="The image that --service runs the test from.  [default: IMAGE]"),
    click.option(
        "--workload", type=click.Path(path_type=Path, file_okay=False), help="A folder with a workload.toml."
    ),
)


def subject_options(command: _Command) -> _Command:
    """Give a command --test, --service, --test-image and --workload: the arguments of `subject`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def subject(
    image: str | None, *, test: str | None, workload: Path | None, service: bool, test_image: str | None
) -> tuple[str, tuple[Scenario, ...]]:
    """The image and its scenarios; a workload's image is built unless another one is named.

    Raises:
        UsageError: they are not said, or said twice.
    """
    if workload is not None:
        if test is not None or service or test_image is not None:
            raise UsageError("--workload brings its own tests: leave out --test, --service and --test-image")
        found = load_workload(workload)
        return image or found.build(), found.scenarios
    if image is None or test is None:
        raise UsageError("say what it is about: an IMAGE and --test COMMAND, or --workload DIR")
    if test_image is not None and not service:
        raise UsageError("--test-image is for --service: otherwise the test runs in the image itself")
    return image, (Scenario(test=parse_command(test), service=service, test_image=test_image),)
