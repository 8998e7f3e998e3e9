"""A search that is stopped, politely or not, at any point.

- Exit code 130 on SIGINT to the process or to its whole group, on SIGTERM and on SIGHUP; what was being
  launched is ended, and nothing more is launched.
- The best so far is on disk, as a whole result, and --resume goes on from there and repeats nothing.
- Nothing is left: no container, mount, control group, process or socket; not after SIGKILL either.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from capmin.result import schema
from capmin.store import Store
from tests.integration.searching import LIMIT_S, Search, Searcher, wait_until
from tests.integration.test_search import answer, check_proof

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.engine("runc")

Build = Callable[[str], str]

WORKERS = 2
MANY = 12
"""More launches than there are before the phase about system calls."""

# Slow enough to be caught in the middle; and so often confirmed that this takes some time, too.
TEST = ("--test", "chown nobody /tmp; code=$?; sleep 0.3; exit $code", "--confirm", "100", "-v")
QUICKLY_CONFIRMED = (*TEST, "--confirm", "1")


def interrupted(
    process: "subprocess.Popen[str]", phase: str, send: Callable[[int], None], output: Path
) -> Search:
    """Stop a search in a phase, and wait for its end."""
    wait_for(process, phase)
    time.sleep(0.25)
    assert process.poll() is None
    send(process.pid)
    begun = launches(output)
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    # Those that ended at that moment.
    assert launches(output) <= begun + WORKERS
    return Search(code=process.returncode, stdout=stdout, stderr=stderr, output=output)


def launches(output: Path) -> int:
    """How many are on record."""
    if not (output / "trials.sqlite").exists():
        return 0
    with Store(output / "trials.sqlite") as store:
        return sum(len(trial.launches) for campaign in store.campaigns() for trial in campaign.trials())


def wait_for(process: "subprocess.Popen[str]", phase: str) -> None:
    """Until it says, by -v, that it has reached a phase."""
    assert process.stderr is not None
    descriptor, seen = process.stderr.fileno(), b""
    deadline = time.monotonic() + LIMIT_S
    while f"INFO: {phase}".encode() not in seen:
        ready, _, _ = select.select([descriptor], [], [], deadline - time.monotonic())
        assert ready, seen
        chunk = os.read(descriptor, 4096)
        assert chunk, seen
        seen += chunk


def to_group(number: int) -> Callable[[int], None]:
    return lambda pid: os.killpg(pid, number)


def to_process(number: int) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


@pytest.mark.parametrize(
    ("phase", "send"),
    [
        pytest.param("baseline", to_group(signal.SIGINT), id="baseline"),
        pytest.param("capabilities", to_process(signal.SIGINT), id="capabilities"),
        pytest.param("syscalls", to_group(signal.SIGINT), id="system calls"),
        pytest.param("certify", to_process(signal.SIGINT), id="certify"),
        pytest.param("confirm", to_group(signal.SIGINT), id="confirm"),
    ],
)
def test_ctrl_c(search: Searcher, built: Build, phase: str, send: Callable[[int], None]) -> None:
    arguments = (built("tools"), *TEST, "--engine", "runc", "--workers", str(WORKERS))
    with search.start(*arguments) as process:
        found = interrupted(process, phase, send, search.output)
    check_interrupted(found)
    if phase == "baseline":
        assert not (found.output / "result.json").exists()
    else:
        check_best_so_far(found)
    assert search.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill(search: Searcher, built: Build, number: int) -> None:
    with search.start(built("tools"), *TEST, "--engine", "runc") as process:
        found = interrupted(process, "capabilities", to_process(number), search.output)
    check_interrupted(found)
    check_best_so_far(found)


def test_what_ignores_every_signal_is_ended_too(search: Searcher, built: Build) -> None:
    stubborn = ("--test", "trap '' INT TERM HUP; sleep 1 & wait; chown nobody /tmp; sleep 1", "-v")
    with search.start(built("tools"), *stubborn, "--engine", "runc") as process:
        found = interrupted(process, "baseline", to_group(signal.SIGINT), search.output)
    check_interrupted(found)


def test_docker_is_interrupted_alike(search: Searcher, built: Build, daemon: str) -> None:
    arguments = (built("tools"), *TEST, "--engine", "docker", "--no-syscalls")
    with search.start(*arguments, docker_host=daemon) as process:
        found = interrupted(process, "capabilities", to_group(signal.SIGINT), search.output)
    check_interrupted(found)
    check_best_so_far(found)
    assert search.left() == []


@pytest.mark.long
def test_a_killed_search_leaves_nothing_and_can_go_on(search: Searcher, built: Build, tmp_path: Path) -> None:
    arguments = (built("tools"), *QUICKLY_CONFIRMED, "--engine", "runc")
    with search.start(*arguments) as process:
        wait_for(process, "syscalls")
        wait_until(lambda: launches(search.output) > MANY)
        process.kill()
        process.communicate(timeout=LIMIT_S)
    assert search.left_at_last() == []
    recorded = Search(code=-9, stdout="", stderr="", output=search.output).trials
    assert sum(len(trial.launches) for trial in recorded) > MANY

    resumed = search(*arguments, "--resume")
    assert resumed.trials[: len(recorded)] == recorded
    check_proof(resumed)
    assert answer(resumed) == answer(search(*arguments, output=tmp_path / "at once"))


def test_a_killed_search_with_docker_leaves_nothing(search: Searcher, built: Build, daemon: str) -> None:
    arguments = (built("tools"), "--test", "sleep 600", "-v", "--engine", "docker")
    with search.start(*arguments, docker_host=daemon) as process:
        wait_for(process, "baseline")
        wait_until(lambda: any("sha256" in line or "capmin" in line for line in search.left()))
        process.kill()
        process.communicate(timeout=LIMIT_S)
    assert search.left_at_last() == []


def check_interrupted(found: Search) -> None:
    assert found.code == 130, found.stderr
    assert found.stdout == ""
    assert found.stderr.endswith("capmin: interrupted\n")
    assert "Traceback" not in found.stderr
    assert "Exception" not in found.stderr


def check_best_so_far(found: Search) -> None:
    assert f"the best so far is in {found.output}; --resume goes on from there" in found.stderr
    result = found.written
    jsonschema.validate(result, schema())
    assert "CAP_CHOWN" in result["capabilities"]["required"]
    # What is said to be there is there.
    assert [name for name in result["files"].values() if not (found.output / name).exists()] == []
