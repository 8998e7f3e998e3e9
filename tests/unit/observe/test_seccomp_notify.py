"""The listener, on real filters of the running kernel; `under_filter` stands in for the runtime.

- Each notified call gets what ``decide`` says, and is counted under its name, program and answer.
- What comes before the first execve, or from runc's init, is the runtime's; times count from there.
- Whatever is killed, closed or interrupted: nobody waits for ever, and no descriptor or socket stays.
- A storm costs neither memory nor a core.
"""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from capmin.errors import EngineError
from capmin.observe import notify_abi, seccomp_notify
from capmin.observe.attempts import KINDS_LIMIT, AttemptCounter
from capmin.observe.seccomp_notify import Decide, SeccompListener
from capmin.privileges import Syscall
from capmin.privileges.syscall import host_architecture, table

ARCHITECTURE = host_architecture()
NUMBER = table(ARCHITECTURE)
TIMES, EXECVE = Syscall("times"), Syscall("execve")
# Python itself does not call times(2).
_SCRIPT = Path(__file__).with_name("under_filter.py")
# Calls a number of times by raw number, and prints the last answer.
_CALL = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
for _ in range(int(sys.argv[2])):
    ctypes.set_errno(0)
    libc.syscall(int(sys.argv[1]), room)
print(ctypes.get_errno())
"""
_CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"

Listen = Callable[[Decide], SeccompListener]


def allow(_name: Syscall, _arguments: tuple[int, ...]) -> int | None:
    return None


def deny(_name: Syscall, _arguments: tuple[int, ...]) -> int | None:
    return errno.EPERM


@pytest.fixture
def listen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listen]:
    directory = tmp_path_factory.mktemp("s")
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths
    with ExitStack() as stack:
        yield lambda decide: stack.enter_context(
            SeccompListener(directory / f"{time.monotonic_ns()}", decide=decide, architecture=ARCHITECTURE)
        )
    assert list(directory.iterdir()) == []
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0  # noqa: PTH208 - as above


def start(listener: SeccompListener, name: Syscall = TIMES, times: int = 1) -> "subprocess.Popen[str]":
    notified = f"{NUMBER[name]},{NUMBER[EXECVE]}"
    program = [sys.executable, "-I", "-S", "-c", _CALL, str(NUMBER[name]), str(times)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SCRIPT), str(listener.path), notified, *program],
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(listener: SeccompListener, name: Syscall = TIMES, times: int = 1) -> int:
    with start(listener, name, times) as process:
        output, _ = process.communicate(timeout=240)
    return int(output)


def test_calls_go_ahead(listen: Listen) -> None:
    listener = listen(allow)
    assert answer(listener, times=3) == 0
    (attempt,) = listener.attempts()
    assert (attempt.privilege, attempt.errno, attempt.count) == (TIMES, None, 3)
    assert attempt.program.startswith("python")


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS])
def test_calls_are_denied(listen: Listen, code: int) -> None:
    listener = listen(lambda _name, _arguments: code)
    assert answer(listener, times=5) == code
    (attempt,) = listener.attempts()
    assert (attempt.errno, attempt.count, attempt.denied) == (code, 5, True)
    assert 0 <= attempt.first_s <= attempt.last_s < 240


def test_decide_sees_the_arguments(listen: Listen) -> None:
    seen: list[tuple[Syscall, int]] = []

    def decide(name: Syscall, arguments: tuple[int, ...]) -> int | None:
        seen.append((name, len(arguments)))
        return errno.EACCES if arguments[0] else None

    assert answer(listen(decide)) == errno.EACCES
    assert seen == [(TIMES, 6)]


def test_execve_is_the_start_and_no_attempt(listen: Listen) -> None:
    listener = listen(allow)
    assert (listener.attached, listener.started) == (False, False)
    answer(listener)
    assert (listener.attached, listener.started) == (True, True)
    assert {attempt.syscall for attempt in listener.attempts()} == {TIMES}
    assert listener.runtime_calls() == ()


def test_granted_is_what_the_kernel_says(listen: Listen) -> None:
    listener = listen(allow)
    answer(listener)
    granted = listener.granted
    assert granted is not None
    assert granted.seccomp_mode == 2
    assert granted.no_new_privileges


def test_several_filters_at_one_listener(listen: Listen) -> None:
    """As with `docker exec`, which comes to the same socket."""
    listener = listen(deny)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda times: answer(listener, times=times), range(1, 9))) == {errno.EPERM}
    assert sum(attempt.count for attempt in listener.attempts()) == sum(range(1, 9))


def test_parallel_listeners_do_not_mix(listen: Listen) -> None:
    def count(times: int) -> list[int]:
        listener = listen(deny)
        answer(listener, times=times)
        return [attempt.count for attempt in listener.attempts()]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(count, range(1, 9))) == [[times] for times in range(1, 9)]


def test_a_killed_task_is_forgotten(listen: Listen) -> None:
    deciding, killed = threading.Event(), threading.Event()

    def decide(_name: Syscall, _arguments: tuple[int, ...]) -> int | None:
        deciding.set()
        killed.wait(30)
        return None

    listener = listen(decide)
    with start(listener) as process:
        assert deciding.wait(30)
        process.kill()
        process.wait(30)
        killed.set()
    assert answer(listener) == 0


def test_closing_lets_go_of_who_waits(listen: Listen) -> None:
    """Its calls get ENOSYS from the kernel: nobody hangs for lack of a listener."""
    listener = listen(allow)
    with start(listener, times=1_000_000) as process:
        while not listener.attempts():
            time.sleep(0.001)
        listener.close()
        output, _ = process.communicate(timeout=240)
    assert int(output) == errno.ENOSYS


def test_close_twice(listen: Listen) -> None:
    listener = listen(allow)
    listener.close()
    listener.close()
    assert not listener.path.exists()


def test_who_sends_no_descriptor_is_ignored(listen: Listen) -> None:
    listener = listen(allow)
    with subprocess.Popen(
        [sys.executable, "-c", _CONNECT, str(listener.path)],
    ) as stranger:
        stranger.wait(30)
    assert answer(listener) == 0


def test_a_broken_decision_is_told(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    def decide(_name: Syscall, _arguments: tuple[int, ...]) -> int | None:
        raise ZeroDivisionError

    listener = listen(decide)
    assert answer(listener) == errno.ENOSYS
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        listener.attempts()
    assert "listener" in caplog.text


def test_a_storm_is_slowed_down(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp_notify, "STORM_DENIALS", 10)
    listener = listen(deny)
    began = time.monotonic()
    answer(listener, times=500)
    assert time.monotonic() - began > 490 * seccomp_notify.STORM_PAUSE_S
    (attempt,) = listener.attempts()
    assert attempt.count == 500


def test_what_is_let_through_is_not_slowed_down(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp_notify, "STORM_DENIALS", 10)
    monkeypatch.setattr(seccomp_notify, "STORM_PAUSE_S", 60.0)
    listener = listen(allow)
    assert answer(listener, times=500) == 0


def test_ever_new_names_cost_no_memory() -> None:
    counter = AttemptCounter()
    for number in range(3 * KINDS_LIMIT):
        counter.add(TIMES, f"name{number}", errno.EPERM)
    attempts = counter.attempts(since=None)
    assert len(attempts) <= KINDS_LIMIT + 1
    assert sum(attempt.count for attempt in attempts) == 3 * KINDS_LIMIT


def test_a_long_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="shorter"):
        SeccompListener(tmp_path / ("x" * 100), decide=allow, architecture=ARCHITECTURE)


def test_a_path_in_use_is_an_error(listen: Listen) -> None:
    listener = listen(allow)
    with pytest.raises(EngineError, match="cannot listen"):
        SeccompListener(listener.path, decide=allow, architecture=ARCHITECTURE)


def test_the_kernel_tells_its_sizes() -> None:
    request, response = notify_abi.sizes()
    assert request >= 80
    assert response >= 24
