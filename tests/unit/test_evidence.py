"""Evidence is the denied call, and the line of output that says most; the usual lines say nothing."""

import pytest

from capmin.evidence import choose_line, denied_attempt, telling_line, usual_lines
from capmin.privileges import Syscall
from tests.unit.campaigning import denial, launch

BIND = "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)"


def test_the_last_denial_counts() -> None:
    early, late = denial("bind", last_s=0.1), denial("bind", count=2, last_s=0.3)
    seen = launch(attempts=(late, early, denial("kill", last_s=0.9)))
    assert denied_attempt(seen, Syscall("bind")) == late
    assert denied_attempt(seen, Syscall("socket")) is None
    assert denied_attempt(launch(attempts=None), Syscall("bind")) is None


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        ("starting\n\n", "starting"),
        (f"starting\n{BIND}\ncannot go on\nbye", BIND),
        ("error: something\nOperation not permitted", "Operation not permitted"),
        ("a\nfatal: no config\nb", "fatal: no config"),
        ("a\nb\n", "b"),
    ],
)
def test_the_line_that_says_most(output: str, line: str) -> None:
    assert telling_line(launch(output=output)) == line
    assert telling_line(launch(probe_output=output)) == line


def test_the_runtimes_words_where_nothing_was_started() -> None:
    assert telling_line(launch(output="x", refused="exec: no such file")) == "exec: no such file"


def test_a_line_that_names_the_call_comes_first() -> None:
    chown = "chown(/var/lib/nginx) failed (1: Operation not permitted)"
    assert choose_line([f"{BIND}\n{chown}"], call="fchownat") == chown
    assert choose_line([f"{BIND}\n{chown}"]) == BIND


def test_what_is_usual_says_nothing() -> None:
    usual = usual_lines(["12:00:01 [7] warn: cannot lock\nready"])
    assert choose_line(["12:00:02 [9] warn: cannot lock\nready\ngave up"], usual=usual) == "gave up"
    assert choose_line(["12:00:02 [9] warn: cannot lock\nready"], usual=usual) == ""
