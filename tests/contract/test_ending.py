"""How launches end.

- The exit code is the program's, as a shell gives it: 128 + signal.
- A program that cannot be started is 126 or 127, a runtime stopped by the grant 125 to 127: refused, with the
  runtime's words. A program that was started is never refused.
- `wait` gives up after its limit, and soon; a signal reaches the container's own process, or nobody.
"""

import signal
import time
from dataclasses import replace

import pytest

from capmin.engines import Container, Exit
from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.seccomp import Action, Rule, docker_default, unconfined
from tests.contract.conftest import LIMIT_S, USUAL, Bench


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_the_programs(bench: Bench, code: int) -> None:
    assert bench.run("sh", "-c", f"exit {code}").exit == Exit(code=code)


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_what_cannot_be_executed_is_refused(bench: Bench, program: str, code: int) -> None:
    ended = bench.run(program)
    assert ended.exit.code == code
    assert ended.exit.refused
    assert program in ended.exit.refused


def test_a_filter_that_stops_the_runtime_is_refused(bench: Bench) -> None:
    # With EPERM for these runc's init cannot become the container's process.
    denied = tuple(map(Syscall, ("capget", "capset", "prctl", "setgroups", "setuid")))
    base = docker_default(USUAL.capabilities, bench.engine.architecture)
    rules = [replace(rule, names=tuple(n for n in rule.names if n not in denied)) for rule in base.rules]
    strict = replace(
        base, rules=(*(rule for rule in rules if rule.names), Rule(names=denied, action=Action.ERRNO))
    )
    ended = bench.run("true", seccomp_profile=strict)
    assert ended.exit.refused
    assert ended.exit.code in (125, 126, 127)


def test_a_program_stopped_by_its_filter_was_started(bench: Bench) -> None:
    """The floor is what the runtime needs: the dynamic linker dies, the runtime does not."""
    ended = bench.run("perl", "-e", "1", grant=Grant(capabilities=frozenset(), syscalls=frozenset()))
    assert ended.exit.refused is None
    assert ended.exit.code != 0


def test_a_call_that_kills(bench: Bench) -> None:
    killing = Rule(names=(Syscall("mkdir"),), action=Action.KILL_PROCESS)
    profile = replace(unconfined(bench.engine.architecture), rules=(killing,))
    assert bench.run("perl", "-e", "mkdir '/new'", seccomp_profile=profile).exit == Exit(
        code=128 + signal.SIGSYS
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, 137), (signal.SIGTERM, 143), (signal.SIGUSR1, 7)]
)
def test_signals_reach_the_process(bench: Bench, number: int, code: int) -> None:
    # The first process of a namespace is only reached by signals that it handles, and SIGKILL.
    script = (
        "$SIG{TERM} = sub { exit 143 }; $SIG{USR1} = sub { exit 7 }; $| = 1; print 'ready'; sleep 60 while 1"
    )
    with bench.engine.start(bench.spec("perl", "-e", script), USUAL) as container:
        deadline = time.monotonic() + LIMIT_S
        while container.output() != "ready" and time.monotonic() < deadline:
            time.sleep(0.01)
        container.signal(number)
        assert container.wait(LIMIT_S) == Exit(code=code)
        container.signal(number)


def names(container: Container) -> list[str]:
    return [process.name for process in container.processes()]


def test_waiting_has_a_limit(bench: Bench) -> None:
    with bench.engine.start(bench.spec("sleep", "600"), USUAL) as container:
        begin = time.monotonic()
        assert container.wait(0.2) is None
        assert 0.2 <= time.monotonic() - begin < LIMIT_S
        # Before its execve the process has the runtime's name.
        while names(container) != ["sleep"] and time.monotonic() - begin < LIMIT_S:
            time.sleep(0.01)
        assert names(container) == ["sleep"]
        container.signal(signal.SIGKILL)
        assert container.wait(LIMIT_S) == Exit(code=137)
        assert container.processes() == ()
