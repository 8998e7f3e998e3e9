"""Programs of the host: run to their end, or beside this process."""

import os
import signal
import sys
import time

import pytest

from capmin.engines._process import run, spawn, wait_readable
from capmin.errors import EngineError


def test_run_gives_output_and_exit_code() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], may_fail=True)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_run_tells_the_last_line_of_a_failure() -> None:
    with pytest.raises(EngineError, match=r"sh failed \(exit 3\): why"):
        run(["sh", "-c", "echo because; echo why; exit 3"])


def test_run_ends_what_takes_too_long() -> None:
    began = time.monotonic()
    with pytest.raises(EngineError, match="did not end"):
        run(["sleep", "600"], limit_s=0.1)
    assert time.monotonic() - began < 300


@pytest.mark.parametrize("start", [run, spawn])
def test_what_is_not_installed(start: object) -> None:
    assert callable(start)
    with pytest.raises(EngineError, match="not installed"):
        start(["/nonexistent/program"])


def test_waiting_has_a_limit() -> None:
    running = spawn(["sleep", "60"])
    assert running.wait(0.01) is None
    running.kill()
    assert running.wait(30) == -signal.SIGKILL
    running.close()
    running.close()


def test_closing_ends_it() -> None:
    running = spawn(["sleep", "60"])
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)


def test_output_and_input_are_descriptors() -> None:
    (input_read, input_write), (output_read, output_write) = os.pipe(), os.pipe()
    running = spawn(["cat"], standard_input=input_read, output=output_write)
    for descriptor in (input_read, output_write):
        os.close(descriptor)
    os.write(input_write, b"through")
    os.close(input_write)
    assert running.wait(30) == 0
    running.close()
    assert os.read(output_read, 100) == b"through"
    os.close(output_read)


def test_ctrl_c_does_not_reach_it() -> None:
    running = spawn([sys.executable, "-c", "import time; time.sleep(60)"])
    assert os.getsid(running.pid) == running.pid
    running.close()


def test_wait_readable_waits_for_the_first() -> None:
    first, second = os.pipe(), os.pipe()
    assert wait_readable([first[0], second[0]], 0.01) == []
    os.write(second[1], b"x")
    assert wait_readable([first[0], second[0]], 1e9) == [second[0]]
    for descriptor in (*first, *second):
        os.close(descriptor)
