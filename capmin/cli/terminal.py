"""What reaches the user's terminal: text made safe, and logging on stderr as -v and -q ask."""

import logging
import re

import click

_ESCAPE_SEQUENCE = re.compile(
    r"""
      \x1b \[ [0-?]* [ -/]* [@-~]?               # control sequence: colours, cursor
    | \x1b [\]PX^_] [^\x07\x1b\x9c]* (?: \x07 | \x1b\\ | \x9c )?   # strings: window title, hyperlinks
    | \x1b [ -/]* [0-~]?                         # any other escape
    | \x9b [0-?]* [ -/]* [@-~]?                  # control sequence in its one-character form
    """,
    re.VERBOSE,
)
# C0 and C1 apart from tab and newline; marks that reorder text (CVE-2021-42574); lone surrogates, which
# cannot be encoded.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_LEVEL_BY_VERBOSITY = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
_STATE = "capmin.verbosity"


def printable(text: str) -> str:
    """The text without anything that a terminal would obey; newlines and tabs stay.

    For what containers, images and other programs wrote. A lone carriage return, which would let a line
    overwrite the one before it, becomes a newline.
    """
    text = _ESCAPE_SEQUENCE.sub("", text)
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def reset_logging() -> None:
    """Log to stderr, warnings and worse; `add_verbosity_options` lets the user change it."""
    # Made anew, so that it writes to the stderr of now, not to that of an earlier run in this process.
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("capmin: %(levelname)s: %(message)s"))
    logger = logging.getLogger("capmin")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING)


def is_quiet() -> bool:
    """Whether -q was given."""
    return logging.getLogger("capmin").level > logging.WARNING


def add_verbosity_options(command: click.Command) -> None:
    """Give a command, and the commands in it, -v and -q: people type them before it and after it."""
    if not any(option.name == "verbose" for option in command.params):
        command.params += [
            click.Option(
                ["-v", "--verbose"],
                count=True,
                expose_value=False,
                callback=lambda context, _, value: _adjust(context, value),
                help="Say more; -vv says everything, tracebacks too.",
            ),
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=lambda context, _, value: _adjust(context, -int(value)),
                help="Say nothing but errors.",
            ),
        ]
    for child in getattr(command, "commands", {}).values():
        add_verbosity_options(child)


def _adjust(context: click.Context, amount: int) -> None:
    verbosity = context.meta.get(_STATE, 0) + amount
    context.meta[_STATE] = verbosity
    logging.getLogger("capmin").setLevel(_LEVEL_BY_VERBOSITY[max(-1, min(verbosity, 2))])
