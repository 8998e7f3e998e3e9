"""``capmin workload``: images to search that bring their own tests."""

import json
from pathlib import Path

import click

from capmin.cli.terminal import printable
from capmin.errors import UsageError
from capmin.workload import Workload, find_workloads, load_workload

_FOLDER = Path("workloads")

_paths = click.argument("paths", nargs=-1, metavar="[WORKLOAD]...", type=click.Path(path_type=Path))


@click.group("workload")
def command() -> None:
    """List, check and build workloads.

    A workload is a folder with a workload.toml, which says how to get an image and what it must still do. It
    is given by its path, or by its name where it is in ./workloads.
    """


@command.command("list")
@_paths
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_command(*, paths: tuple[Path, ...], form: str) -> None:
    """List them, by default all in ./workloads."""
    workloads = _load(paths)
    if form == "json":
        click.echo(_json(workloads))
        return
    width = max(len(workload.name) for workload in workloads)
    for workload in workloads:
        scenarios = ", ".join(scenario.name for scenario in workload.scenarios)
        click.echo(printable(f"{workload.name:<{width}}  {workload.description or workload.reference}"))
        click.echo(printable(f"{'':<{width}}  scenarios: {scenarios}"))


@command.command("check")
@_paths
def check_command(*, paths: tuple[Path, ...]) -> None:
    """See that their files are as they should be; nothing is built."""
    for workload in _load(paths):
        click.echo(printable(f"{workload.path}: ok"))


@command.command("build")
@_paths
@click.option("--fresh", is_flag=True, help="Build again, with the packages of today.")
def build_command(*, paths: tuple[Path, ...], fresh: bool) -> None:
    """Build their images, unless they are built; prints the references to search them by."""
    for workload in _load(paths):
        click.echo(printable(workload.build(fresh=fresh)))


def _load(paths: tuple[Path, ...]) -> tuple[Workload, ...]:
    chosen = tuple(_placed(path) for path in paths) or find_workloads(_FOLDER)
    if not chosen:
        raise UsageError(f"no workloads in {_FOLDER.absolute()}: name one, as a folder with a workload.toml")
    return tuple(load_workload(path) for path in chosen)


def _placed(path: Path) -> Path:
    """A bare name is a workload in ./workloads, unless there is something of that name here."""
    return _FOLDER / path if len(path.parts) == 1 and not path.exists() else path


def _json(workloads: tuple[Workload, ...]) -> str:
    listed = [
        {
            "name": workload.name,
            "path": str(workload.path),
            "description": workload.description,
            "image": workload.reference,
            "scenarios": [scenario.name for scenario in workload.scenarios],
        }
        for workload in workloads
    ]
    return json.dumps({"schema": "capmin/workloads/1", "workloads": listed}, indent=2)
