"""README says what the program does.

- Every capmin line in it is one that the program takes, and every make target is there.
- Every command is in it, and no option that does not exist.
- Exit codes and files are those of the code.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

from capmin import errors
from capmin.cli import COMMANDS, cli
from capmin.output import RESULT, OutputDirectory

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines()]
INLINE = re.findall(r"`(capmin [^`]+)`", README)


def _words(program: str) -> list[list[str]]:
    """The command lines of a program, in blocks and in sentences, without its own name."""
    lines = (shlex.split(line, comments=True) for line in [*LINES, *INLINE])
    return [words[1:] for words in lines if words and Path(words[0]).name == program]


def _table(header: str) -> list[tuple[str, str]]:
    rows = README.partition(f"| {header} |")[2].split("\n\n")[0].splitlines()[2:]
    return [(cells[1].strip(), cells[2].strip()) for cells in (row.split("|") for row in rows)]


@pytest.mark.parametrize("argv", _words("capmin"), ids=" ".join)
def test_the_program_takes_every_line(argv: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="capmin")
    while isinstance(command, click.Group) and argv:
        name, found, argv = command.resolve_command(context, list(argv))
        assert name is not None
        assert found is not None
        context, command = click.Context(found, info_name=name, parent=context), found
    if "--help" not in argv:
        command.make_context(context.info_name, argv)


@pytest.mark.parametrize("argv", _words("make"), ids=" ".join)
def test_every_make_target_is_there(argv: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in argv:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_it(name: str) -> None:
    assert name in {argv[0] for argv in _words("capmin")}


def _options(command: click.Command) -> set[str]:
    """Those of a command, and of the commands in it."""
    own = {text for option in command.params for text in (*option.opts, *option.secondary_opts)}
    if not isinstance(command, click.Group):
        return own
    context = click.Context(command)
    children = (command.get_command(context, name) for name in command.list_commands(context))
    return own.union(*(_options(child) for child in children if child is not None))


def test_no_option_is_invented() -> None:
    prose = re.sub(r"`docker [^`]*`", "", README)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose)) - _options(cli) <= {"--help"}


def test_the_exit_codes_are_those_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.CapminError)}
    assert {int(code) for code, _ in _table("exit code")} == codes | {0}


def test_the_files_are_those_that_are_written(tmp_path: Path) -> None:
    written = {RESULT, *OutputDirectory(tmp_path).files(syscalls=True).values()}
    assert {name for cell, _ in _table("file") for name in re.findall(r"`([^`]+)`", cell)} == written


def test_the_changelog_has_the_version_to_come() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
