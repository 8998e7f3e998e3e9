"""``capmin workload``: images to search that bring their own tests."""

import json
from pathlib import Path

import click

from capmin.cli.emit import read_profile
from capmin.cli.terminal import printable
from capmin.emit import put
from capmin.engines.places import cache_dir
from capmin.errors import UsageError
from capmin.profile import Profile, Strictness
from capmin.stack import files, stack
from capmin.workload import Workload, find_workloads, load_workload

_FOLDER = Path("workloads")

_paths = click.argument("paths", nargs=-1, metavar="[WORKLOAD]...", type=click.Path(path_type=Path))


@click.group("workload")
def command() -> None:
    """List, check, build and compose workloads.

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
@click.option("--load", is_flag=True, help="Put them into the Docker daemon too, under the same names.")
def build_command(*, paths: tuple[Path, ...], fresh: bool, load: bool) -> None:
    """Build their images, unless they are built; prints the references to search them by."""
    for workload in _load(paths):
        reference = workload.build(fresh=fresh)
        if load and workload.is_built:
            from capmin.engines.docker.loading import load_named  # noqa: PLC0415 - docker takes 0.3 s

            load_named(reference, cache_dir())
        click.echo(printable(reference))


@command.command("compose")
@click.argument("paths", nargs=-1, required=True, metavar="WORKLOAD...", type=click.Path(path_type=Path))
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    help="Where the result of each is, in a directory of its name.",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The directory that gets compose.yaml and the filters.",
)
@click.option(
    "--strictness",
    type=click.Choice([strictness.value for strictness in Strictness]),
    default=Strictness.MINIMAL.value,
    help="What was proved to be needed, or also what was only used.",
    show_default=True,
)
def compose_command(*, paths: tuple[Path, ...], results: Path, output: Path, strictness: str) -> None:
    """Write services that were searched as one Compose file, each with its profile.

    They are named in the order of their start. Each runs as in the last of its scenarios that are of a
    service: image, command, environment, volumes, names on the network; with the capabilities and the filter
    that its result has. No port is published.

    \b
    Examples:
      capmin workload build --load board-mariadb board-node board-nginx
      capmin workload compose board-mariadb board-node board-nginx -o board
      docker compose --project-directory board up
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    services = stack(
        (workload, _profile(workload, results).at(Strictness(strictness))) for workload in _load(paths)
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {output}: {error.strerror or error}") from error
    for name, text in files(services, output).items():
        put(output / name, text)
        click.echo(printable(str(output / name)))


def _profile(workload: Workload, results: Path) -> Profile:
    place = results / workload.name
    if not place.exists():
        folder = workload.path.parent
        raise UsageError(
            f"{workload.name} has no result at {place}: capmin search --workload {folder} --output {place}"
        )
    return read_profile(place)


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
