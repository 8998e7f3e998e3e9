"""The command line: one module a command, loaded when it is asked for."""

import errno
import importlib
import logging
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType, MappingProxyType

import click
from click.shell_completion import CompletionItem, shell_complete

import capmin
from capmin.cli.settings import add_environment, defaults, find_settings
from capmin.cli.terminal import add_verbosity_options, printable, reset_logging
from capmin.errors import CapminError, Interrupted

# The line that `capmin --help` shows stands here and not in the modules: reading it there would import them
# all, and with them docker and pandas (0.5 s and more). A test holds it against each command's own help.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "search": "Find the smallest set of privileges with which an image's tests pass.",
        "explain": "Say why each privilege is kept, and why the others could go.",
        "plot": "Draw searches: path, matrix of trials, exposure, cost, comparison.",
        "report": "Write one search as one HTML page, to be read anywhere.",
        "emit": "Write a result as Docker, Compose, Kubernetes, Podman, systemd and others read it.",
        "verify": "Tell whether a profile still holds for an image, and what it lacks if not.",
        "fuzz": "Draw grants around an answer, and tell the smallest ones that disagree with it.",
        "diff": "Tell what a new version needs more or less than the old one.",
        "check": "Tell what compose files, manifests and units grant beyond what images need.",
        "init": "Write a commented workload file for an image, from what the image says of itself.",
        "doctor": "Tell what this host can do, and what to do about the rest.",
        "image": "List and remove unpacked images.",
        "workload": "List, check, build and compose workloads.",
    }
)

_STDOUT = 1
_COMPLETE = "_CAPMIN_COMPLETE"
"""What the shells' completion sets: click's own name for it, since `main` is not click's."""

_log = logging.getLogger(__name__)


class LazyGroup(click.Group):
    """A group whose commands live in modules of the same name, each with an attribute ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As any group's; the command found gets its settings."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            settings = find_settings(Path.cwd())
            found = defaults(settings, command, name, {each: partial(_load, each) for each in COMMANDS})
            ctx.default_map = {**(ctx.default_map or {}), name: found}
        return name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so, without loading them, and options."""
        found = [CompletionItem(name, help=words) for name, words in COMMANDS.items()]
        named = [item for item in found if item.value.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _load(name: str) -> click.Command:
    command: click.Command = importlib.import_module(f"{__name__}.{name}").command
    add_verbosity_options(command)
    add_environment(command, name)
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(capmin.__version__, prog_name="capmin", message="%(prog)s %(version)s")
def cli() -> None:
    """Find, by experiment, the smallest set of Linux capabilities and system calls an image works with.

    An image is launched many times with varied privileges; each time its tests tell whether it still works.
    """


add_verbosity_options(cli)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give back its exit code; every error ends here, as one or two lines on stderr.

    A command ends with 0, with the number that it returns, or with the exit code of the error that it
    raises (`capmin.errors`). The traceback behind an error shows with ``-vv``.
    """
    reset_logging()
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except CapminError as error:
        _complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted")
        return Interrupted.exit_code
    except Exception as error:  # noqa: BLE001 - the last place that can turn a defect into a report
        return _unexpected(error)


def entry_point() -> None:
    """What the installed program ``capmin`` runs."""
    # A polite kill and a closed terminal end like Ctrl-C: containers removed, the best so far written.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_keyboard_interrupt)
    sys.exit(main())


def _run(argv: list[str]) -> int:
    # Not `cli.main(argv)`: it would take every broken pipe, a lost daemon's too, for a closed stdout.
    if not argv:
        argv = ["--help"]
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(cli, {}, "capmin", _COMPLETE, instruction)
    with cli.make_context("capmin", argv) as context:
        result = cli.invoke(context)
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _complain(message: str) -> None:
    click.echo(f"capmin: {printable(message)}", err=True)
    _log.debug("the traceback of the above", exc_info=True)


def _unexpected(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno == errno.EPIPE and _stdout_is_closed():
        return 128 + signal.SIGPIPE
    _complain(
        f"unexpected {type(error).__name__}: {error}\n"
        "This is a defect in capmin: please report it, with what the same command says with -vv"
    )
    return 1


def _stdout_is_closed() -> bool:
    """Whether the reader of stdout is gone (``capmin ... | head``); if so, stdout is silenced."""
    poll = select.poll()
    poll.register(_STDOUT, 0)
    if not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        return False
    # Else the interpreter complains when it flushes at exit (docs.python.org, signal, "Note on SIGPIPE").
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
    return True


def _as_keyboard_interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
