"""``capmin explain``: why each privilege is kept, and why the others could go."""

from pathlib import Path

import click

from capmin.cli.terminal import printable


@click.command("explain")
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("privilege", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="What stdout gets.",
    show_default=True,
)
def command(*, result: Path, privilege: str | None, form: str) -> None:
    """Say why each privilege is kept, and why the others could go.

    RESULT is the output directory of a search. For each privilege kept: which program asked for it, in
    which system call, what it printed when it was denied, and the trial that proves it. For each one
    dropped: whether it was ever used, and the launch that passed without it.

    \b
    Examples:
      capmin explain results/nginx
      capmin explain results/nginx CAP_CHOWN
      capmin explain results/nginx bind --format json
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    from capmin.explain import RENDERERS, explain, privilege_named  # noqa: PLC0415 - pandas
    from capmin.records import load  # noqa: PLC0415 - pandas

    records = load(result)
    chosen = None
    if privilege is not None and records.results:
        architecture = next(iter(records.results.values()))["host"]["architecture"]
        chosen = privilege_named(privilege, architecture)
    click.echo(printable(RENDERERS[form](explain(records, chosen))), nl=False)
