"""``capmin plot``: searches as figures."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capmin.cli.terminal import printable
from capmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from capmin.records import Records

KINDS = ("search-path", "trial-matrix", "exposure", "cost", "comparison", "capabilities", "syscalls")


@click.command("plot")
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the figures go.  [default: here]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    help="What the figures are.",
    show_default=True,
)
@click.option(
    "--only", type=click.Choice(KINDS), multiple=True, help="Only this figure; several are possible."
)
def command(*, results: tuple[Path, ...], output: Path, form: str, only: tuple[str, ...]) -> None:
    """Draw searches: path, matrix of trials, exposure, cost, comparison.

    RESULT is the output directory of a search, or a folder of many. Each has figures of its own; of several
    there are also those that compare them.
    """
    from capmin.records import load  # noqa: PLC0415 - pandas

    wanted = frozenset(only or KINDS)
    records = [load(path) for path in results]
    figures = [figure for each in records for figure in _of_each(each, wanted)]
    figures += _of_all(records, wanted)
    if not figures:
        raise UsageError(f"nothing to draw: {' '.join(sorted(wanted))} is not about what was named")
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, figure in figures:
            path = output / f"{_slug(name)}.{form}"
            figure.savefig(path, dpi=150)
            click.echo(printable(str(path)))
    except OSError as error:
        raise UsageError(f"cannot write to {output}: {error.strerror or error}") from error


def _of_each(records: "Records", wanted: frozenset[str]) -> "Iterator[tuple[str, Figure]]":
    from capmin import plots  # noqa: PLC0415 - matplotlib
    from capmin.exposure import exposure_frame  # noqa: PLC0415 - pandas

    for one in records.each():
        (name,) = one.names
        result = one.results.get(name)
        if "search-path" in wanted:
            bound = None if result is None else result["trials"]["lower_bound"]
            yield (
                f"{name}-search-path",
                plots.search_path(one.trials, lower_bound=bound, title=f"{name}: search path"),
            )
        if "trial-matrix" in wanted:
            yield (
                f"{name}-trial-matrix",
                plots.trial_matrix(one.trials, title=f"{name}: what each trial withheld"),
            )
        if "cost" in wanted:
            yield f"{name}-cost", plots.cost_by_phase(one.trials, title=f"{name}: cost by phase")
        if "exposure" in wanted and result is not None:
            frame = exposure_frame(one.results)
            yield f"{name}-exposure", plots.exposure(frame, title=f"{name}: exposure")


def _of_all(records: "list[Records]", wanted: frozenset[str]) -> "Iterator[tuple[str, Figure]]":
    from capmin import plots  # noqa: PLC0415 - matplotlib
    from capmin.frames import concat  # noqa: PLC0415 - pandas
    from capmin.records import CAMPAIGNS  # noqa: PLC0415 - pandas

    campaigns = concat([each.campaigns for each in records], CAMPAIGNS)
    if len(campaigns) < 2:  # noqa: PLR2004 - one has nothing to compare with
        return
    if "comparison" in wanted:
        yield "comparison", plots.comparison(campaigns)
    for column in ("capabilities", "syscalls"):
        if column in wanted and campaigns[column].notna().any():
            yield column, plots.needed_where(campaigns, column=column)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "campaign"
