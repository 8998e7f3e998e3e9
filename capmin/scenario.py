"""A scenario: what is launched and how it is judged."""

import json
from dataclasses import dataclass

from capmin.errors import UsageError

Command = tuple[str, ...]
SHELL: Command = ("/bin/sh", "-c")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One way to launch an image and to judge it.

    Without ``service`` the test is the container's own process, and its exit code tells. With ``service``
    the image's own entrypoint runs, and the test runs beside it, in a sidecar on the same network namespace
    with full privileges, again and again until it passes.
    """

    name: str = "test"
    test: Command
    service: bool = False
    test_image: str | None = None


def parse_command(text: str) -> Command:
    """A command as ``--test`` takes it: a JSON list is the exec form, anything else is for the image's shell.

    Raises:
        UsageError: the text is empty, or starts like a JSON list and is not one of strings.
    """
    if not text.strip():
        raise UsageError(
            'the test command is empty: give a shell command, or a JSON list such as \'["nginx", "-t"]\''
        )
    if not text.lstrip().startswith("["):
        return (*SHELL, text)
    try:
        words = json.loads(text)
    except ValueError as error:
        # `[ -f /etc/passwd ]` and `[ "$USER" ]` are tests too, of the shell; it has no command `["`.
        if not text.lstrip().startswith('["'):
            return (*SHELL, text)
        raise UsageError(f"the test command looks like a JSON list, and is none: {error}: {text}") from error
    if not words or not all(isinstance(word, str) for word in words):
        raise UsageError(f"the test command is not a JSON list of strings: {text}")
    return tuple(words)
