"""``capmin report``: one search as one HTML page."""

from pathlib import Path

import click

from capmin.cli.terminal import printable
from capmin.errors import UsageError

NAME = "report.html"


@click.command("report")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: report.html in RESULT]",
)
def command(*, result: Path, output: Path | None) -> None:
    """Write one search as one HTML page, to be read anywhere.

    RESULT is the output directory of a search. The page holds all it needs: no network, no script; it is good
    on a screen, light or dark, and on paper.
    """
    from capmin.records import load  # noqa: PLC0415 - pandas
    from capmin.report import write  # noqa: PLC0415 - pandas

    if not result.exists():
        raise UsageError(f"there is no {result}: name the output directory of a capmin search")
    path = output or (result if result.is_dir() else result.parent) / NAME
    write(load(result), path)
    click.echo(printable(str(path)))
