"""``capmin init``: a first workload file for an image."""

import re
import uuid
from pathlib import Path

import click

from capmin.cli.terminal import printable
from capmin.engines import EngineOptions, Image
from capmin.engines.places import cache_dir, state_dir
from capmin.engines.registry import ENGINES, open_engine
from capmin.errors import UsageError
from capmin.workload import FILE_NAME
from capmin.workload.draft import draft


@click.command("init")
@click.argument("image")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The workload's folder.  [default: workloads/IMAGE]",
)
@click.option("--force", is_flag=True, help="Replace a workload that is there.")
@click.option(
    "--engine",
    type=click.Choice(["auto", *ENGINES]),
    default="auto",
    help="What is asked about the image.",
    show_default=True,
)
def command(*, image: str, output: Path | None, force: bool, engine: str) -> None:
    """Write a commented workload file for an image, from what the image says of itself.

    Its ports, health check, volumes, entrypoint and user become a first test, which says little: look at it,
    and say what the image must still do. Nothing is launched.

    \b
    Example:
      capmin init nginx:1 && capmin search --workload workloads/nginx
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    path = (output or Path("workloads") / _slug(image)) / FILE_NAME
    if path.exists() and not force:
        raise UsageError(f"{path} exists: choose another folder with --output, or replace it with --force")
    text = draft(_ask(image, engine))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    click.echo(printable(f"{path}: look at its tests, then: capmin search --workload {path.parent}"))


def _ask(image: str, engine: str) -> Image:
    options = EngineOptions(campaign=uuid.uuid4().hex[:12], state_dir=state_dir(), cache_dir=cache_dir())
    with open_engine(engine, options) as opened:
        return opened.image(image)


def _slug(image: str) -> str:
    """A folder's name for an image: ``registry.example/team/web:1`` gives ``web``."""
    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip("._") or "image"
