"""Commands are typed by people: the shell's by default, a JSON list where there is no shell."""

import pytest

from capmin.errors import UsageError
from capmin.scenario import parse_command


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
