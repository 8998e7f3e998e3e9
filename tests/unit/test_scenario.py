"""What people type: commands are the shell's or a JSON list, signals are as in an image's configuration.

What is compared by default is what clients see: a program's own words when it is denied something are not.
"""

import pytest

from capmin.errors import UsageError
from capmin.scenario import ANSWERS, LOG, OUTPUT, Place, Scenario, parse_command, signal_number


def test_text_is_for_the_images_shell() -> None:
    assert parse_command("ping -c1 127.0.0.1 && echo ok") == (
        "/bin/sh",
        "-c",
        "ping -c1 127.0.0.1 && echo ok",
    )


def test_a_json_list_is_run_as_it_is() -> None:
    assert parse_command('["/app", "--check", "a b"]') == ("/app", "--check", "a b")


def test_the_shells_own_brackets_are_not_json() -> None:
    assert parse_command("[ -f /etc/passwd ]") == ("/bin/sh", "-c", "[ -f /etc/passwd ]")


@pytest.mark.parametrize("text", ["", "  ", "[]", "[1]", '["ok", null]'])
def test_what_cannot_be_run_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="test command"):
        parse_command(text)


@pytest.mark.parametrize(
    ("name", "number"), [("SIGTERM", 15), ("quit", 3), ("1", 1), ("SIGWINCH", 28), ("SIGRTMIN+3", 37)]
)
def test_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["", "0", "99", "SIGHAPPY", "SIGRTMIN+x"])
def test_what_is_no_signal_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="there is no signal"):
        signal_number(name)


def test_what_is_compared() -> None:
    assert Scenario(test=("x",)).compared == ()
    assert Scenario(test=("x",), service=True).compared == (OUTPUT, ANSWERS)
    assert Scenario(test=("x",), service=True, test_in=Place.INSIDE).compared == (ANSWERS,)
    assert Scenario(test=("x",), compare=(LOG, "/x")).compared == (LOG, "/x")
