"""What a user sees while a search runs.

- On a terminal: one line with the phase, the trials made, and the best so far; gone at the end.
- Warnings stand above that line, whole. With -q there is no line, and without a terminal neither.
"""

import os
import pty
import re
import termios
from collections.abc import Callable

import pytest

from tests.integration.searching import LIMIT_S, Searcher

pytestmark = pytest.mark.engine("runc")

Build = Callable[[str], str]
OPTIONS = ("--engine", "runc", "--confirm", "2", "--test")


def on_terminal(search: Searcher, *arguments: str) -> str:
    """What a search writes on stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    with search.start(*arguments, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
        process.communicate(timeout=LIMIT_S)
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # EIO: nobody has the other end any more
        return b""


def test_a_terminal_shows_phase_trials_and_best(search: Searcher, built: Build) -> None:
    written = on_terminal(search, built("tools"), *OPTIONS, "chown nobody /tmp")
    frames = re.findall(
        r"([a-z]+): (\d+) trials, [\d:]+(?:, best: (\d+) capabilities(?:, (\d+) system calls)?)?", written
    )
    phases = [phase for phase in dict.fromkeys(phase for phase, *_ in frames) if phase != "observe"]
    assert phases == [
        "starting",
        "baseline",
        "capabilities",
        "alternatives",
        "syscalls",
        "certify",
        "confirm",
    ]
    counts = [int(trials) for _, trials, *_ in frames]
    assert counts == sorted(counts)
    assert counts[-1] == len(search_trials(search))
    assert frames[-1][2] == "1"
    assert int(frames[-1][3]) > 0
    # One line that is written over, and gone at the end.
    assert "\n" not in written
    assert written.endswith("\r")
    assert written.rsplit("\r", 2)[1].strip(" \x1b[K") == ""


def test_warnings_stand_above_it(search: Searcher, built: Build) -> None:
    written = on_terminal(search, built("tools-nonroot"), *OPTIONS, "true")
    lines = [line.rpartition("\r")[2] for line in written.replace("\r\n", "\n").split("\n")]
    assert [line for line in lines if line.startswith("capmin: WARNING: the image runs as user app, ")] != []
    assert all("trials" not in line for line in lines if "WARNING" in line)


def test_quiet(search: Searcher, built: Build) -> None:
    assert on_terminal(search, built("tools-nonroot"), "-q", *OPTIONS, "true") == ""


def test_without_a_terminal(search: Searcher, built: Build) -> None:
    found = search.program(built("tools"), *OPTIONS, "chown nobody /tmp")
    assert (found.code, found.stderr) == (0, "")


def search_trials(search: Searcher) -> list[str]:
    table = (search.output / "trials.csv").read_text().splitlines()
    return table[1:]
