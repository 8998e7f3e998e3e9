"""What several texts have in common, and nothing else, is expected of the next.

- A template accepts each text that it was learned from, in any order.
- It never accepts nothing for something, nor a constant word changed.
- Dates, times, numbers with a part that varies, lines that come and go: none of these is a difference.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.comparison import Template

lines = st.lists(st.sampled_from(["HTTP/1.1 200 OK", "a 1.5 b", "a 2.5 b", "", "x: y", "id 77"]), max_size=5)
texts = lines.map("\n".join)


@given(st.lists(texts, min_size=1, max_size=5))
def test_it_accepts_what_it_was_learned_from(several: list[str]) -> None:
    template = Template.learn(several)
    for text in several:
        assert template.difference(text) is None or not text


@given(st.lists(texts.filter(str.strip), min_size=1, max_size=4))
def test_nothing_is_not_something(several: list[str]) -> None:
    assert Template.learn(several).difference("") is not None


@pytest.mark.parametrize(
    ("several", "accepted", "refused"),
    [
        (["pong"], ["pong"], ["pong\npong", "ping", "pong pong"]),
        (["took 0.031 s", "took 0.044 s"], ["took 1.2 s"], ["took s", "gave 0.031 s"]),
        (["Date: Sat, 21 Nov 2026 20:59:18 GMT"], ["Date: Sun, 22 Nov 2026 00:00:01 GMT"], ["Date: never"]),
        (["2026-11-21T20:59:18Z up"], ["2027-01-01T00:00:00Z up"], ["2027-01-01T00:00:00Z down"]),
        (['ETag: "6b020626-28"', 'ETag: "6b020627-28"'], ['ETag: "6b0206ff-28"'], ["ETag: 6b020626-28"]),
        (
            ["start\nok\nend", "start\nretry\nok\nend"],
            ["start\nok\nend", "start\na\nok\nb\nend"],
            ["start\nend"],
        ),
        (["a\nb", "b\na"], ["x\ny", "a\nb"], ["", "b"]),
        (["id 0b8f7a52-2f4e-4c3a-9d53-0c5a3b1f2e11"], ["id 1b8f7a52-2f4e-4c3a-9d53-0c5a3b1f2e12"], ["id 7"]),
        (["", ""], [""], ["surprise"]),
    ],
)
def test_what_may_vary(several: list[str], accepted: list[str], refused: list[str]) -> None:
    template = Template.learn(several)
    assert [template.difference(text) for text in accepted] == [None] * len(accepted)
    assert None not in [template.difference(text) for text in refused]


def test_the_difference_is_told() -> None:
    template = Template.learn(["200 OK\n\nhello world"])
    assert template.difference("200 OK\n\nhello word") == "line 3 is 'hello word' instead of 'hello world'"
    assert template.difference("200 OK\n") == "line 2 is missing: ''"
    assert template.difference("200 OK\n\nhello world\nmore") == "there is a line too many: 'more'"
    gaps = Template.learn(["a\nb", "a\nx\nb"])
    assert gaps.difference("a\nx") == "a line is missing: 'b'"
    assert len(template.difference("x" * 10_000) or "") < 300


def test_one_more_text_widens_it() -> None:
    template = Template.learn(["up 6342.02 s"] * 3)
    assert template.difference("up 6343.55 s") is not None
    assert template.widened("up 6343.01 s").difference("up 6344.55 s") is None
