"""Which processes ended with an error, and what they were denied; those that are killed are real.

- An end is noted where the process was denied something, or its exit code is not 0; in the order of the ends.
- Who was killed comes before the one that then ends with an error; who is still there comes last.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from capmin.observe.process_ends import ENDS_LIMIT, ProcessEnds
from capmin.privileges import Syscall

BIND, MOUNT, POLL = Syscall("bind"), Syscall("mount"), Syscall("poll")
HERE = os.getpid()
GONE = 2**22 + 1
"""Above the highest number that a process can have (PID_MAX_LIMIT)."""

Sleeper = Callable[[], subprocess.Popen[bytes]]
Seen = tuple[str, int | None, tuple[Syscall, ...]]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            process = stack.enter_context(subprocess.Popen(["sleep", "60"]))
            stack.callback(process.kill)
            return process

        yield start


def seen(ends: ProcessEnds) -> list[Seen]:
    return [(end.program, end.code, end.denied) for end in ends.ends(since=0.0)]


def kill(process: subprocess.Popen[bytes], *, reaped: bool = True) -> None:
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if reaped:
        process.wait()


def test_nothing_has_ended_at_first() -> None:
    assert seen(ProcessEnds()) == []


def test_denied_calls_are_ordered_by_their_last_attempt() -> None:
    ends = ProcessEnds()
    for name in (BIND, POLL, MOUNT, BIND, POLL):
        ends.denied(HERE, "web", name)
    ends.exits(HERE, "web", 1)
    assert seen(ends) == [("web", 1, (MOUNT, BIND, POLL))]


@pytest.mark.parametrize(
    ("denied", "code", "noted"),
    [
        ((), 0, []),
        ((BIND,), 0, [("web", 0, (BIND,))]),
        ((), 3, [("web", 3, ())]),
        ((BIND,), 3, [("web", 3, (BIND,))]),
    ],
)
def test_an_end_is_noted_for_a_denial_or_an_error(
    denied: tuple[Syscall, ...], code: int, noted: list[Seen]
) -> None:
    ends = ProcessEnds()
    for name in denied:
        ends.denied(GONE, "web", name)
    ends.exits(GONE, "web", code)
    assert seen(ends) == noted


def test_a_number_that_is_given_again_starts_anew() -> None:
    ends = ProcessEnds()
    ends.denied(GONE, "web", BIND)
    ends.exits(GONE, "web", 1)
    ends.exits(GONE, "sh", 2)
    assert seen(ends) == [("web", 1, (BIND,)), ("sh", 2, ())]


def test_what_its_threads_are_denied_is_the_process_s() -> None:
    ends = ProcessEnds()
    ends.denied(HERE, "web", BIND)
    thread = threading.Thread(target=lambda: ends.denied(threading.get_native_id(), "web", POLL))
    thread.start()
    thread.join()
    ends.exits(HERE, "web", 1)
    assert seen(ends) == [("web", 1, (BIND, POLL))]


@pytest.mark.parametrize("reaped", [True, False])
@pytest.mark.parametrize("denied", [(), (MOUNT,)])
def test_who_was_killed_comes_before_the_one_that_then_ends_with_an_error(
    sleeper: Sleeper, *, reaped: bool, denied: tuple[Syscall, ...]
) -> None:
    ends, worker, other = ProcessEnds(), sleeper(), sleeper()
    ends.denied(other.pid, "other", POLL)
    ends.denied(worker.pid, "worker", BIND)
    for name in denied:
        ends.denied(HERE, "master", name)
    kill(worker, reaped=reaped)
    ends.exits(HERE, "master", 1)
    assert seen(ends) == [("worker", None, (BIND,)), ("master", 1, denied), ("other", None, (POLL,))]


def test_who_was_killed_unseen_is_among_those_that_come_last(sleeper: Sleeper) -> None:
    ends, worker = ProcessEnds(), sleeper()
    ends.denied(worker.pid, "worker", BIND)
    ends.exits(GONE, "early", 1)
    kill(worker)
    ends.exits(GONE, "fine", 0)
    assert seen(ends) == [("early", 1, ()), ("worker", None, (BIND,))]


def test_those_still_alive_come_last_and_who_was_denied_last_first(sleeper: Sleeper) -> None:
    ends, one, other = ProcessEnds(), sleeper(), sleeper()
    ends.denied(one.pid, "one", BIND)
    ends.denied(other.pid, "other", BIND)
    ends.denied(one.pid, "one", POLL)
    ends.exits(GONE, "web", 1)
    assert seen(ends) == [("web", 1, ()), ("one", None, (BIND, POLL)), ("other", None, (BIND,))]


def test_times_count_from_the_start() -> None:
    ends, before = ProcessEnds(), time.monotonic()
    ends.denied(HERE, "alive", BIND)
    ends.exits(GONE, "web", 1)
    after = time.monotonic()
    web, alive = ends.ends(since=before)
    assert 0 <= alive.at_s <= web.at_s <= after - before
    assert [end.at_s for end in ends.ends(since=before - 10)] == pytest.approx(
        [web.at_s + 10, alive.at_s + 10]
    )


def test_a_crash_loop_is_told_by_its_first_ends() -> None:
    ends = ProcessEnds()
    ends.denied(HERE, "alive", BIND)
    for number in range(ENDS_LIMIT + 5):
        ends.exits(GONE, f"web{number}", 1)
    assert seen(ends) == [(f"web{number}", 1, ()) for number in range(ENDS_LIMIT)]
