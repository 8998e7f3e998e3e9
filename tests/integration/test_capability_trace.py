"""The tracer against the real kernel: real processes that lack a capability, no container needed.

- A denial is told with its capability, its call (chown apart from lchown and fchownat) and its program.
- What is allowed is no denial; the kernel's memory accounting is nothing at all.
- Descendants belong to the program; what came before its exec, and what others do, does not.
- Traces run in parallel, a storm costs no answer that was seen before it, and nothing stays behind.
- What other tracers of the host do, or did since boot, changes nothing.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from capmin.observe.capability_trace import CapabilityTrace, available
from capmin.observe.tracefs import TraceInstance
from capmin.privileges.capability import Capability, number
from capmin.trial import Attempt

_PR_CAPBSET_DROP = 24
_LIBC = ctypes.CDLL(None)
_RAW_SOCKET = "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)"


@pytest.fixture(autouse=True)
def _tracing() -> None:
    reason = available()
    if reason is not None and os.environ.get("CI"):
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def trace() -> Iterator[CapabilityTrace]:
    with CapabilityTrace() as trace:
        yield trace


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "file").touch()
    return str(tmp_path / "file")


def _dropping(name: str) -> Callable[[], None]:
    """What the child does before its exec; root's next exec then gets no more than the bounding set."""

    def drop() -> None:
        _LIBC.prctl(_PR_CAPBSET_DROP, number(Capability(name)), 0, 0, 0)

    return drop


def _run(trace: CapabilityTrace, *argv: str, lacking: str) -> tuple[Attempt, ...]:
    trace.start()
    with subprocess.Popen(argv, preexec_fn=_dropping(lacking), stderr=subprocess.DEVNULL) as process:  # noqa: PLW1509 - the child only calls prctl
        process.wait()
    return trace.attempts(process.pid)


def _python(trace: CapabilityTrace, code: str, *, lacking: str) -> tuple[Attempt, ...]:
    return _run(trace, sys.executable, "-S", "-c", code, lacking=lacking)


def _denied(attempts: tuple[Attempt, ...]) -> list[tuple[str, str | None]]:
    return [(attempt.privilege, attempt.syscall) for attempt in attempts if attempt.denied]


def _instances(pid: int) -> list[str]:
    """The instances that a process has made; tests in other processes make some of their own."""
    with TraceInstance() as mine:
        return [path.name for path in mine._path.parent.glob(f"capmin-{pid}-*") if path != mine._path]


def test_a_denied_chown(trace: CapabilityTrace, file: str) -> None:
    (attempt,) = _run(trace, "chown", "1", file, lacking="CAP_CHOWN")
    assert (attempt.privilege, attempt.syscall, attempt.program) == ("CAP_CHOWN", "fchownat", "chown")
    assert (attempt.errno, attempt.count) == (1, 1)
    assert 0 < attempt.first_s == attempt.last_s < 30


def test_a_denied_raw_socket(trace: CapabilityTrace) -> None:
    assert _denied(_python(trace, _RAW_SOCKET, lacking="CAP_NET_RAW")) == [("CAP_NET_RAW", "socket")]


@pytest.mark.parametrize("call", ["chown", "lchown"])
def test_calls_that_share_their_kernel_function(trace: CapabilityTrace, file: str, call: str) -> None:
    seen = _python(trace, f"import os; os.{call}({file!r}, 1, 1)", lacking="CAP_CHOWN")
    assert _denied(seen) == [("CAP_CHOWN", call)]


def test_a_check_in_a_call_that_is_not_traced(trace: CapabilityTrace) -> None:
    # write is too hot to be traced: the call stack names it. Writing here asks for CAP_SYS_RESOURCE only
    # where the value falls (fs/proc/base.c, __set_oom_adj).
    code = "open('/proc/self/oom_score_adj', 'w').write('-1000')"
    assert ("CAP_SYS_RESOURCE", "write") in _denied(_python(trace, code, lacking="CAP_SYS_RESOURCE"))


def test_another_tracer_may_record_names(trace: CapabilityTrace, file: str) -> None:
    # Into a table that all have in common: the lines of this one then begin otherwise.
    with TraceInstance() as other:
        other.write("trace_options", "record-cmd")
        other.write("events/sched/sched_switch/enable", 1)
        assert _denied(_run(trace, "chown", "1", file, lacking="CAP_CHOWN")) == [("CAP_CHOWN", "fchownat")]


def test_what_is_allowed_is_told_and_no_denial(trace: CapabilityTrace, file: str) -> None:
    (attempt,) = _run(trace, "chown", "1", file, lacking="CAP_NET_RAW")
    assert (attempt.privilege, attempt.syscall, attempt.errno) == ("CAP_CHOWN", "fchownat", None)


def test_memory_is_no_attempt(trace: CapabilityTrace) -> None:
    code = "import mmap, os; mmap.mmap(-1, 1 << 24); bytearray(1 << 24); os.wait() if os.fork() else 0"
    assert _python(trace, code, lacking="CAP_SYS_ADMIN") == ()


def test_a_new_mount_namespace_is_an_attempt_on_the_same_capability(trace: CapabilityTrace) -> None:
    seen = _run(trace, "unshare", "--mount", "true", lacking="CAP_SYS_ADMIN")
    assert _denied(seen) == [("CAP_SYS_ADMIN", "unshare")]


def test_descendants_belong_to_the_program(trace: CapabilityTrace, file: str) -> None:
    seen = _run(trace, "sh", "-c", f"(chown 1 {file}; sh -c 'chown 1 {file}'; :)", lacking="CAP_CHOWN")
    (attempt,) = seen
    assert (attempt.program, attempt.count) == ("chown", 2)
    assert attempt.first_s < attempt.last_s


def test_what_came_before_the_exec_does_not(trace: CapabilityTrace, file: str) -> None:
    def before() -> None:
        _dropping("CAP_CHOWN")()
        os.chown(file, 1, 1)

    trace.start()
    with subprocess.Popen(["true"], preexec_fn=before) as process:  # noqa: PLW1509 - as above
        os.chown(file, 2, 2)
    assert trace.attempts(process.pid) == ()


def test_recording_can_begin_after_the_fork(trace: CapabilityTrace, file: str) -> None:
    reader, writer = os.pipe()

    def child() -> None:
        _dropping("CAP_CHOWN")()
        os.read(reader, 1)
        os.execvp("chown", ["chown", "1", file])  # noqa: S606 - no shell is wanted

    trace.follow()
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(1)
    trace.start()
    os.write(writer, b"x")
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    assert _denied(trace.attempts(pid)) == [("CAP_CHOWN", "fchownat")]


def test_a_launch_does_not_see_the_one_before(trace: CapabilityTrace, file: str) -> None:
    assert _run(trace, "chown", "1", file, lacking="CAP_CHOWN")
    assert _run(trace, "true", lacking="CAP_CHOWN") == ()


def test_a_program_cannot_forge_attempts(trace: CapabilityTrace) -> None:
    code = f"""
import ctypes
for name in (b"a\\n => b", b"\\n<...>-1 [0] . ", b"x pid=1 comm=y", b"\\xff\\x1b", b" newcomm=root"):
    ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
{_RAW_SOCKET}
"""
    assert _denied(_python(trace, code, lacking="CAP_NET_RAW")) == [("CAP_NET_RAW", "socket")]


def test_traces_in_parallel_do_not_mix(file: str) -> None:
    together = threading.Barrier(4)

    def worker(index: int) -> list[tuple[str, str | None]]:
        with CapabilityTrace() as trace:
            together.wait()
            if index % 2:
                return _denied(_run(trace, "chown", "1", file, lacking="CAP_CHOWN"))
            return _denied(_run(trace, "unshare", "--mount", "true", lacking="CAP_SYS_ADMIN"))

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(worker, range(4)))
    assert seen == [[("CAP_SYS_ADMIN", "unshare")], [("CAP_CHOWN", "fchownat")]] * 2


def test_a_storm_keeps_what_came_before_it(trace: CapabilityTrace, file: str) -> None:
    code = f"""
import os, socket
def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError:
        pass
os.chown({file!r}, 1, 1)
for _ in range(60_000):
    attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
"""
    seen = _python(trace, code, lacking="CAP_NET_RAW")
    assert [a.privilege for a in seen] == ["CAP_CHOWN", "CAP_NET_RAW"]
    assert seen[1].count > 1_000
    assert trace.dropped_events > 0
    _run(trace, "true", lacking="CAP_NET_RAW")
    assert trace.dropped_events == 0


def test_millions_of_hot_calls_do_not_fill_the_buffer(trace: CapabilityTrace) -> None:
    code = f"import os\nfd = os.open('/dev/zero', 0)\nfor _ in range(200_000): os.read(fd, 1)\n{_RAW_SOCKET}"
    assert _denied(_python(trace, code, lacking="CAP_NET_RAW")) == [("CAP_NET_RAW", "socket")]
    assert trace.dropped_events == 0


def test_nothing_stays_behind() -> None:
    def mounted() -> int:
        return Path("/proc/self/mounts").read_text().count(" tracefs ")

    before = mounted()
    with CapabilityTrace():
        assert len(_instances(os.getpid())) == 1
        assert mounted() == before
    assert _instances(os.getpid()) == []


def test_a_killed_process_leaves_an_instance_that_the_next_one_removes() -> None:
    code = (
        "import signal, os; from capmin.observe.tracefs import TraceInstance\n"
        "TraceInstance().__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        assert process.wait() == -signal.SIGKILL
    assert _instances(process.pid) == []
