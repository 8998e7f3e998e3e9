"""``capmin emit``: a result as the files that other programs read."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from capmin import emit
from capmin.cli.terminal import printable
from capmin.errors import UsageError
from capmin.portable import Runtime
from capmin.profile import Profile, Strictness

_ALL = "all"
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


def _parse_name(context: click.Context, option: click.Parameter, text: str | None) -> str:
    del context, option
    if text is not None and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise UsageError(f"--name {text!r}: up to 63 lower-case letters, digits and inner dashes, please")
    return text or ""


@click.command("emit")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice([*emit.EMITTERS, _ALL]),
    required=True,
    help="What to write; all: every format.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write; for all, the directory.  [default: stdout]",
)
@click.option(
    "--strictness",
    type=click.Choice([strictness.value for strictness in Strictness]),
    default=Strictness.MINIMAL.value,
    help="What was proved to be needed, or also what was only used.",
    show_default=True,
)
@click.option(
    "--runtime",
    type=click.Choice([runtime.value for runtime in Runtime]),
    default=Runtime.RUNC.value,
    help="Whose own system calls to grant.",
    show_default=True,
)
@click.option(
    "--arch",
    "architectures",
    type=click.Choice([*_ARCHITECTURES]),
    multiple=True,
    help="Where it is to hold; may be repeated.  [default: where it was searched]",
)
@click.option(
    "--no-new-privileges", is_flag=True, help="Forbid setuid programs to gain any; this was not searched."
)
@click.option(
    "--name", callback=_parse_name, help="What services, pods and profiles are called.  [default: the image]"
)
def command(
    *,
    result: Path,
    file_format: str,
    output: Path | None,
    strictness: str,
    runtime: str,
    architectures: tuple[str, ...],
    no_new_privileges: bool,
    name: str,
) -> None:
    """Write a result as Docker, Compose, Kubernetes, Podman, systemd and others read it.

    RESULT is a result.json, or the directory that a search wrote it to. What files need besides, such as the
    seccomp document, they expect under its usual name: --format all writes them all.

    \b
    Examples:
      capmin emit results/nginx --format docker-seccomp -o seccomp.json
      capmin emit results/nginx --format compose --name web
      capmin emit results/nginx --format all -o profiles --arch amd64 --arch arm64 --runtime both
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    profile = replace(
        read_profile(result).at(Strictness(strictness)),
        runtime=Runtime(runtime),
        targets=tuple(dict.fromkeys(_ARCHITECTURES[name] for name in architectures)),
        no_new_privileges=no_new_privileges,
        name=name,
    )
    if file_format == _ALL:
        _write_all(profile, output)
    elif output is None:
        click.echo(emit.emit(profile, file_format), nl=False)
    else:
        emit.put(output, emit.emit(profile, file_format))
    for warning in profile.warnings:
        _warn(warning)


def read_profile(path: Path) -> Profile:
    """The profile of a result on disk.

    Raises:
        UsageError: there is none, or it is none.
    """
    file = path / "result.json" if path.is_dir() else path
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror or error}; name a result.json of capmin search"
        ) from error
    except ValueError as error:
        raise UsageError(f"{file} is not a result of capmin search: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{file} is not a result of capmin search: it holds no JSON object")
    return Profile.from_result(document)


def _write_all(profile: Profile, directory: Path | None) -> None:
    if directory is None:
        raise UsageError("--format all writes many files: name a directory with -o")
    for file_format, written in emit.write_all(profile, directory).items():
        if isinstance(written, UsageError):
            _warn(f"{file_format} left out: {written}")
        else:
            click.echo(printable(str(written)))


def _warn(message: str) -> None:
    click.echo(f"capmin: {printable(message)}", err=True)
