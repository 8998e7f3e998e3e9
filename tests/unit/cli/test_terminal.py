"""What a terminal would obey is taken out of a text; the rest is as it was."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.cli.terminal import printable

HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain: äöü €\tx\ny", "plain: äöü €\tx\ny"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link", "xlink"),
        ("\x1bP1$r\x1b\\x\x1b_apc\x1b\\y", "xy"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "reset"),
        ("50%\r100%\r\n", "50%\n100%\n"),
        ("a\x08\x00\x7fb", "ab"),
        ("admin\u202etxt.exe", "admintxt.exe"),
        ("\udc80", ""),
        ("cut off \x1b[", "cut off "),
        ("cut off \x1b", "cut off "),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\x1b[]m;\x07\x9b\r\n")))
def test_nothing_harmful_is_left_and_again_changes_nothing(text: str) -> None:
    safe = printable(text)
    assert not HARMFUL.search(safe)
    assert printable(safe) == safe
    assert safe.encode("utf-8").decode("utf-8") == safe


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"])))
def test_harmless_text_is_as_it_was(text: str) -> None:
    assert printable(text) == text
