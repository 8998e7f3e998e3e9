"""Launches are independent of one another, and leave nothing behind (which `bench` checks after each test).

- Not after their normal end, nor when the block is left early, nor when the whole process is killed.
- Each starts from the image as it was; in parallel they mix neither output nor observations.
"""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from capmin.engines import EngineOptions, Exit, Observe
from tests.conftest import Engines
from tests.contract.conftest import LIMIT_S, USUAL, Bench, on_observing_engines
from tests.contract.remains import remains
from tests.contract.test_filter import GETSID, call, lacking

_OWNER = Path(__file__).with_name("owner.py")


class Boom(Exception):
    """Something unforeseen."""


def test_an_exception_in_the_block_ends_the_container(bench: Bench) -> None:
    pids: list[int] = []

    def fail() -> None:
        with bench.engine.start(bench.spec("sleep", "600"), USUAL) as container:
            pids.extend(process.pid for process in container.processes())
            raise Boom

    with pytest.raises(Boom):
        fail()
    assert pids
    assert [pid for pid in pids if is_running(pid)] == []


def test_processes_left_running_are_ended(bench: Bench) -> None:
    with bench.engine.start(
        bench.spec("sh", "-c", "sleep 600 & sleep 600 & sleep 0.3; exit 4"), USUAL
    ) as container:
        assert container.wait(LIMIT_S) == Exit(code=4)
        assert container.processes() == ()


def test_each_launch_starts_from_the_image(bench: Bench) -> None:
    assert bench.output("sh", "-c", "echo x > /new; cat /new") == "x"
    assert bench.run("cat", "/new").exit.code == 1


def test_parallel_launches_do_not_mix(bench: Bench) -> None:
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda n: bench.output("sh", "-c", f"sleep 0.1; echo {n}"), range(8)))
    assert outputs == [str(n) for n in range(8)]


@on_observing_engines
def test_parallel_observations_do_not_mix(observing: Bench) -> None:
    grant = lacking(observing, GETSID)

    def denied(times: int) -> list[int]:
        ended = observing.run(*call(observing, GETSID, times=times), grant=grant, observe=Observe.DENIALS)
        return [attempt.count for attempt in ended.attempts or ()]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(denied, range(1, 9))) == [[times] for times in range(1, 9)]


def test_nothing_is_left_of_a_killed_process(bench: Bench, engine_name: str, engines: Engines) -> None:
    options = engines.options(engine_name)
    theirs = replace(options, campaign=f"{options.campaign}-killed", state_dir=options.state_dir / "killed")
    with _owner(bench, theirs) as owner:
        pid = int(_line(owner))
        assert is_running(pid)
        owner.send_signal(signal.SIGKILL)
        owner.wait(LIMIT_S)
    deadline = time.monotonic() + LIMIT_S
    while (left := _left(theirs, pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    theirs.state_dir.rmdir()
    assert left == []


def is_running(pid: int) -> bool:
    """Whether a process is more than a zombie, which some hosts' init reaps after a minute."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _owner(bench: Bench, options: EngineOptions) -> "subprocess.Popen[str]":
    """A process that has launched `sleep`, and tells its number."""
    arguments = [bench.engine.name, options.campaign, str(options.state_dir), str(options.cache_dir)]
    return subprocess.Popen(
        [sys.executable, str(_OWNER), *arguments, options.docker_host or "", bench.image.reference],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _left(options: EngineOptions, pid: int) -> list[str]:
    alive = [f"process {pid}"] if is_running(pid) else []
    return [*alive, *remains(options), *map(str, options.state_dir.iterdir())]
