"""How processes ended is seen, with what each was denied; and granted calls are, where they are watched.

- A process that was denied something, or that ends with an error, is among the ends, in their order.
- Who was killed has no code, and comes before the one that waited for it.
- A granted call that is watched goes ahead, and is an attempt without errno; one never made is none.
- What is allowed under conditions only is not watchable: the kernel is to check them.
"""

import errno
import shlex
from dataclasses import replace

from capmin.engines import Observe
from capmin.play import play, stage_for
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.scenario import Scenario
from capmin.trial import End
from tests.contract.conftest import LIMIT_S, Bench, Ended, on_observing_engines
from tests.contract.test_filter import CALLS, GETSID, SYSINFO, call, lacking

CLONE, UMASK = map(Syscall, ("clone", "umask"))


def calling(bench: Bench, *names: Syscall, then: str) -> str:
    """A line of a shell script: a program that makes these calls with zeroes, and what it does then."""
    numbers = table(bench.engine.architecture)
    calls = "".join(f"syscall({numbers[name]}, 0, 0, 0); " for name in names)
    return shlex.join(("perl", "-e", calls + then))


def denied(bench: Bench, script: str, *names: Syscall) -> Ended:
    return bench.run("sh", "-c", script, grant=lacking(bench, *names), observe=Observe.DENIALS)


def told(ends: tuple[End, ...]) -> list[tuple[str, int | None, tuple[Syscall, ...]]]:
    return [(end.program, end.code, end.denied) for end in ends]


@on_observing_engines
def test_a_program_that_fails_ends_before_its_shell(observing: Bench) -> None:
    failing = calling(observing, GETSID, SYSINFO, GETSID, then="exit 3")
    ended = denied(observing, f"{failing}; exit 4", GETSID, SYSINFO)
    assert ended.exit.code == 4
    assert told(ended.ends) == [("perl", 3, (SYSINFO, GETSID)), ("sh", 4, ())]
    first, last = (end.at_s for end in ended.ends)
    assert 0 <= first <= last < LIMIT_S


@on_observing_engines
def test_a_program_that_ends_well_was_denied_something(observing: Bench) -> None:
    ended = denied(observing, f"{calling(observing, GETSID, then='exit 0')}; exit 0", GETSID)
    assert told(ended.ends) == [("perl", 0, (GETSID,))]


@on_observing_engines
def test_what_ends_well_and_was_denied_nothing_is_no_end(observing: Bench) -> None:
    assert denied(observing, f"{calling(observing, GETSID, then='exit 0')}; exit 0", SYSINFO).ends == ()


@on_observing_engines
def test_who_was_killed_ends_without_a_code_and_before_its_parent(observing: Bench) -> None:
    ended = denied(observing, "sh -c 'umask; kill -9 $$'; exit 4", UMASK)
    assert told(ended.ends) == [("sh", None, (UMASK,)), ("sh", 4, ())]


@on_observing_engines
def test_a_name_may_be_any_bytes(observing: Bench) -> None:
    number = table(observing.engine.architecture)[GETSID]
    renamed = shlex.join(("perl", "-e", f'$0 = "\\xff"; syscall({number}, 0, 0, 0); exit 3'))
    ended = denied(observing, f"{renamed}; exit 4", GETSID)
    assert told(ended.ends) == [("\N{REPLACEMENT CHARACTER}", 3, (GETSID,)), ("sh", 4, ())]


def test_nothing_is_known_of_ends_where_nothing_was_asked(bench: Bench) -> None:
    assert bench.run("sh", "-c", "exit 3").ends == ()


@on_observing_engines
def test_a_granted_call_that_is_watched_is_counted_and_let_through(observing: Bench) -> None:
    ended = observing.run(
        *call(observing, GETSID, times=CALLS),
        grant=lacking(observing),
        observe=Observe.DENIALS,
        watched=frozenset({GETSID, SYSINFO}),
    )
    assert (ended.exit.code, ended.output) == (0, "0")
    assert ended.attempts is not None
    [attempt] = ended.attempts
    assert (attempt.syscall, attempt.errno, attempt.count) == (GETSID, None, CALLS)


@on_observing_engines
def test_a_call_that_is_watched_and_not_granted_is_denied(observing: Bench) -> None:
    ended = observing.run(
        *call(observing, GETSID),
        grant=lacking(observing, GETSID),
        observe=Observe.DENIALS,
        watched=frozenset({GETSID}),
    )
    assert [(a.syscall, a.errno) for a in ended.attempts or ()] == [(GETSID, errno.EPERM)]


def test_what_is_allowed_under_conditions_is_not_watchable(bench: Bench) -> None:
    assert CLONE in bench.engine.default_syscalls(DOCKER_DEFAULT) - bench.engine.watchable(DOCKER_DEFAULT)
    assert CLONE in bench.engine.watchable(frozenset({Capability("CAP_SYS_ADMIN")}))


@on_observing_engines
def test_all_that_is_watchable_can_be_watched(observing: Bench) -> None:
    ended = observing.run(
        *call(observing, GETSID),
        grant=lacking(observing),
        observe=Observe.DENIALS,
        watched=observing.engine.watchable(DOCKER_DEFAULT),
    )
    assert (ended.exit.code, ended.output) == (0, "0")


@on_observing_engines
def test_a_launch_tells_what_was_watched_of_what_was_asked(observing: Bench) -> None:
    scenario = Scenario(test=call(observing, GETSID))
    stage = stage_for(observing.engine, scenario, observing.image, denied_errno=errno.EPERM, limit_s=LIMIT_S)
    asked = replace(stage, observe=Observe.DENIALS, watched=frozenset({GETSID, CLONE}))
    launch = play(observing.engine, scenario, asked, lacking(observing))
    assert launch.watched == {GETSID}
    assert [(a.syscall, a.errno) for a in launch.attempts or ()] == [(GETSID, None)]
