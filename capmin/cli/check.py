"""``capmin check``: what files grant beyond what their images need."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from capmin.check import Level, check_files
from capmin.check.report import REPORTS
from capmin.cli.terminal import printable
from capmin.errors import UsageError
from capmin.profile import Profile
from capmin.recall import read_result
from capmin.result import SCHEMA

FOUND = 1
_NEVER = "never"


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--against",
    multiple=True,
    metavar="[NAME=]RESULT...",
    help="What images need: results of capmin search. With NAME= for the container of that name.",
)
@click.option(
    "--fail-on",
    type=click.Choice([_NEVER, *(level.word for level in Level)]),
    default=_NEVER,
    help="End with 1 where something of this level or worse is found.",
    show_default=True,
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(REPORTS)),
    default="text",
    help="What stdout gets.",
    show_default=True,
)
def command(*, files: tuple[str, ...], against: tuple[str, ...], fail_on: str, form: str) -> int:
    """Tell what compose files, manifests and units grant beyond what images need.

    FILE is a Compose file, a Kubernetes manifest, a Quadlet .container unit, or the output of docker inspect;
    - is stdin. Each container is held against the result for its image. Nothing is launched.

    \b
    Examples:
      capmin check compose.yaml --against results/nginx results/postgres
      docker compose config | capmin check - --against web=results/nginx --fail-on warning
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    # What stands behind the first of several results is taken for a file: it tells itself apart.
    results = [*against, *(file for file in files if _is_result(file))]
    if not results:
        raise UsageError("say what images need: --against RESULT, the directory that capmin search wrote")
    texts = {_name(file): _text(file) for file in files if file not in results}
    if not texts:
        raise UsageError("say what to check: capmin check FILE --against RESULT")
    unnamed, named = _profiles(results)
    checked = check_files(texts, unnamed, named)
    report = REPORTS[form](checked)
    click.echo(printable(report) if form == "text" else report)
    worst = max((found.level for _, findings in checked for found in findings), default=None)
    failing = fail_on != _NEVER and worst is not None and worst >= Level[fail_on.upper()]
    return FOUND if failing else 0


def _is_result(file: str) -> bool:
    path = Path(file)
    if path.is_dir():
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("schema") == SCHEMA


def _profiles(results: Iterable[str]) -> tuple[list[Profile], dict[str, Profile]]:
    """Those for images, and those for containers by name."""
    unnamed, named = [], {}
    for result in results:
        name, equals, path = result.partition("=")
        if equals and not Path(result).exists():
            named[name] = Profile.from_result(read_result(Path(path)))
        else:
            unnamed.append(Profile.from_result(read_result(Path(result))))
    return unnamed, named


def _name(file: str) -> str:
    return "stdin" if file == "-" else file


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {file}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
