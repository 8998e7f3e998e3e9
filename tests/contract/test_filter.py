"""What the grant lacks is denied, with the errno of the policy, and seen where the engine observes.

- A denied call gets exactly that errno; clone3 always ENOSYS, or glibc would not fall back.
- The answer is the same whether the call is observed or not.
- A denial is an attempt with its program, errno and count; a use is one without errno.
- Uses are answered as Docker's default would; and what was never called is never reported.
- A profile that is given is loaded to the letter.
"""

import errno
from contextlib import nullcontext
from dataclasses import replace

import pytest

from capmin.engines import Observe
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.seccomp import Action, Rule, unconfined
from tests.contract.conftest import LIMIT_S, Bench, on_observing_engines

GETSID, CLONE3, SYSINFO, ADD_KEY = map(Syscall, ("getsid", "clone3", "sysinfo", "add_key"))
CALLS = 7


def call(bench: Bench, name: Syscall, times: int = 1) -> tuple[str, ...]:
    """A program that makes a call with zeroes, so many times, and tells the last errno."""
    number = table(bench.engine.architecture)[name]
    return ("perl", "-e", f"for (1..{times}) {{ $! = 0; syscall({number}, 0, 0, 0) }} print $! + 0")


def lacking(bench: Bench, *names: Syscall) -> Grant:
    usual = bench.engine.default_syscalls(DOCKER_DEFAULT)
    return Grant(capabilities=DOCKER_DEFAULT, syscalls=(usual | {CLONE3}) - set(names))


def observations(bench: Bench) -> list[Observe]:
    return [Observe.NOTHING, Observe.DENIALS] if bench.engine.observes_syscalls else [Observe.NOTHING]


@pytest.mark.parametrize("policy", [errno.ENOSYS, errno.EPERM])
def test_a_denied_call_gets_the_errno_of_the_policy(bench: Bench, policy: int) -> None:
    grant = lacking(bench, GETSID)
    for observe in observations(bench):
        output = bench.output(*call(bench, GETSID), grant=grant, denied_errno=policy, observe=observe)
        assert output == str(policy)


def test_clone3_is_always_denied_with_enosys(bench: Bench) -> None:
    grant = lacking(bench, CLONE3)
    for observe in observations(bench):
        output = bench.output(*call(bench, CLONE3), grant=grant, denied_errno=errno.EPERM, observe=observe)
        assert output == str(errno.ENOSYS)


def test_a_granted_call_reaches_the_kernel(bench: Bench) -> None:
    assert bench.output(*call(bench, CLONE3), grant=lacking(bench, GETSID)) == str(errno.EINVAL)
    assert bench.output(*call(bench, GETSID), grant=lacking(bench, CLONE3)) == "0"


def test_without_a_set_of_calls_dockers_default_applies(bench: Bench) -> None:
    assert bench.output(*call(bench, GETSID)) == "0"
    assert bench.output(*call(bench, ADD_KEY)) == str(errno.EPERM)


def test_a_profile_given_is_loaded_to_the_letter(bench: Bench) -> None:
    rule = Rule(names=(GETSID,), action=Action.ERRNO, errno=errno.EXDEV)
    profile = replace(unconfined(bench.engine.architecture), rules=(rule,))
    ended = bench.run(*call(bench, GETSID), seccomp_profile=profile)
    assert ended.output == str(errno.EXDEV)


def test_nothing_is_seen_where_nothing_was_asked(bench: Bench) -> None:
    assert bench.run("true", grant=lacking(bench, GETSID)).attempts is None


def test_what_cannot_be_observed_is_an_error(bench: Bench) -> None:
    expected = (
        nullcontext() if bench.engine.observes_syscalls else pytest.raises(EngineError, match="observe")
    )
    with expected:
        ended = bench.run("true", grant=lacking(bench, GETSID), observe=Observe.DENIALS)
        assert ended.attempts is not None


@on_observing_engines
def test_denials_are_counted(observing: Bench) -> None:
    ended = observing.run(
        *call(observing, GETSID, times=CALLS),
        grant=lacking(observing, GETSID, SYSINFO),
        observe=Observe.DENIALS,
    )
    assert ended.attempts is not None
    [attempt] = ended.attempts
    assert (attempt.privilege, attempt.syscall, attempt.program) == (GETSID, GETSID, "perl")
    assert (attempt.errno, attempt.denied, attempt.count) == (errno.EPERM, True, CALLS)
    assert 0 <= attempt.first_s <= attempt.last_s < LIMIT_S


@on_observing_engines
def test_denials_are_told_by_program(observing: Bench) -> None:
    """A child that another program starts is seen under its own name."""
    script = " ".join(f"'{word}'" for word in call(observing, GETSID, times=CALLS))
    ended = observing.run(
        "sh", "-c", f"{script}; true", grant=lacking(observing, GETSID), observe=Observe.DENIALS
    )
    assert [(a.program, a.count) for a in ended.attempts or ()] == [("perl", CALLS)]


@on_observing_engines
def test_uses_are_counted_and_let_through(observing: Bench) -> None:
    grant = Grant(capabilities=DOCKER_DEFAULT, syscalls=frozenset())
    ended = observing.run(*call(observing, GETSID, times=CALLS), grant=grant, observe=Observe.USES)
    assert (ended.exit.code, ended.output) == (0, "0")
    used = {attempt.privilege: attempt for attempt in ended.attempts or ()}
    assert (used[GETSID].count, used[GETSID].errno) == (CALLS, None)
    # What glibc calls at every start (strace says so), less the floor, which is not notified.
    assert used.keys() >= set(map(Syscall, ("access", "pread64", "set_robust_list", "rseq", "prlimit64")))
    assert SYSINFO not in used


@on_observing_engines
def test_uses_beyond_dockers_default_are_denied_as_it_does(observing: Bench) -> None:
    grant = Grant(capabilities=DOCKER_DEFAULT, syscalls=frozenset())
    ended = observing.run(*call(observing, ADD_KEY), grant=grant, observe=Observe.USES)
    assert ended.output == str(errno.EPERM)
    assert [a.errno for a in ended.attempts or () if a.privilege == ADD_KEY] == [errno.EPERM]


@on_observing_engines
def test_what_was_granted_is_read_at_the_start(observing: Bench) -> None:
    """Even of a program that is gone at once."""
    grant = lacking(observing, GETSID).with_capabilities(DOCKER_DEFAULT - {"CAP_CHOWN"})
    ended = observing.run("true", grant=grant, observe=Observe.DENIALS)
    assert ended.granted is not None
    assert ended.granted.bounding == grant.capabilities
