"""Verdicts are drawn from what was observed, and from nothing else.

- A launch works where its test passed, and all runs as it usually does.
- What the kernel gave must be what was asked for; else nothing is concluded.
- Storms and slowness are against what is usual; what the machine was busy with does not count.
"""

import errno

import pytest

from capmin.engines import Image
from capmin.grant import Grant
from capmin.judge import (
    LIMIT_FACTOR,
    RELOADING_S,
    Usual,
    judge,
    limit_for,
    slowness,
    storms,
    usual_of,
    within,
)
from capmin.play import Stage
from capmin.privileges import Capability, Syscall
from capmin.trial import COMPANIONS, Granted, Launch, Program, Verdict
from tests.unit.campaigning import CHOWN, KILL, denial, launch

MASTER, WORKER = Program(name="nginx", uid=0), Program(name="nginx", uid=33)


def granted(*capabilities: Capability) -> Granted:
    held = frozenset(capabilities)
    return Granted(bounding=held, effective=held, seccomp_mode=2, no_new_privileges=False)


@pytest.mark.parametrize(
    ("seen", "verdict", "reason"),
    [
        (launch(), Verdict.WORKS, "the test passed"),
        (launch(exit_code=3), Verdict.BREAKS, "the test ended with exit code 3"),
        (launch(refused="no such file"), Verdict.BREAKS, "the runtime could not start it: no such file"),
        (launch(exit_code=None, service_exit_code=1), Verdict.BREAKS, "the service ended with exit code 1"),
        (launch(exit_code=0, service_exit_code=0), Verdict.BREAKS, "the service ended with exit code 0"),
        (launch(exit_code=None, timed_out=True, duration_s=2.04), Verdict.BREAKS, "no success within 2.0 s"),
        (launch(phase="reload", exit_code=1), Verdict.BREAKS, "reload: the test ended with exit code 1"),
        (launch(phase=COMPANIONS, trouble="db did not start"), Verdict.UNRESOLVED, "db did not start"),
    ],
)
def test_what_a_launch_says(seen: Launch, verdict: Verdict, reason: str) -> None:
    assert judge(seen, Usual()) == (verdict, reason)


def test_asked_is_not_given() -> None:
    asked = Grant(capabilities=frozenset({CHOWN}))
    assert judge(launch(asked, granted=granted(CHOWN)), Usual())[0] is Verdict.WORKS
    for held in ((), (CHOWN, KILL)):
        verdict, reason = judge(launch(asked, granted=granted(*held)), Usual())
        assert verdict is Verdict.UNRESOLVED
        assert reason.endswith("CAP_KILL" if held else "CAP_CHOWN")


def test_a_program_that_no_longer_runs_as_its_user() -> None:
    usual = usual_of([launch(programs=frozenset({MASTER, WORKER}))] * 2)
    assert judge(launch(programs=frozenset({MASTER, WORKER})), usual)[0] is Verdict.WORKS
    assert judge(launch(programs=frozenset({MASTER})), usual) == (
        Verdict.BREAKS,
        "nginx does not run as user 33",
    )


def test_what_runs_now_and_then_is_not_missed() -> None:
    usual = usual_of([launch(programs=frozenset({MASTER, WORKER})), launch(programs=frozenset({MASTER}))])
    assert judge(launch(programs=frozenset({MASTER})), usual)[0] is Verdict.WORKS


def test_another_scenario_has_other_programs() -> None:
    usual = usual_of([launch(scenario="other", programs=frozenset({WORKER}))])
    assert judge(launch(), usual)[0] is Verdict.WORKS


@pytest.mark.parametrize(
    ("used", "denied", "storm"), [(0, 30, False), (0, 31, True), (5, 80, False), (5, 81, True)]
)
def test_a_storm_is_many_more_denials_than_uses(used: int, denied: int, storm: bool) -> None:  # noqa: FBT001 - a parameter
    usual = Usual(uses={Syscall("poll"): used})
    assert ("poll" in storms(launch(attempts=(denial("poll", count=denied),)), usual)) is storm


def test_nothing_storms_before_uses_are_known() -> None:
    assert storms(launch(attempts=(denial("clone3", count=54),)), Usual()) == {}


def test_what_the_kernel_asks_for_in_vain_is_no_storm() -> None:
    usual = Usual(uses={Syscall("openat"): 1000})
    assert storms(launch(attempts=(denial("CAP_DAC_READ_SEARCH", count=1028),)), usual) == {}


@pytest.mark.parametrize(
    ("took_s", "stalled_s", "slow"), [(2.4, 0.0, False), (2.6, 0.0, True), (9.0, 7.0, False)]
)
def test_slow_is_beside_what_the_machine_took(took_s: float, stalled_s: float, slow: bool) -> None:  # noqa: FBT001 - as above
    usual = Usual(slowest_s={"test": 1.0})
    assert (slowness(launch(duration_s=took_s, stalled_s=stalled_s), usual) is not None) is slow


def test_nothing_is_slow_where_nothing_is_usual() -> None:
    assert slowness(launch(duration_s=100.0), Usual()) is None


def test_the_slowest_is_usual() -> None:
    usual = usual_of([launch(duration_s=0.2), launch(duration_s=0.5), launch(duration_s=0.1)])
    assert usual.slowest_s == {"test": 0.5}


def test_limits_are_a_multiple_within_what_the_user_allows() -> None:
    assert limit_for(1.0, 60.0) == pytest.approx(3.3)
    assert limit_for(100.0, 60.0) == 60.0


def test_what_follows_a_reload_may_take_as_long_as_the_reload_goes_on() -> None:
    phases_s = (("start", 0.1), ("test", 0.1), ("reload", 0.1), ("test 2", 0.1), ("stop", 0.1))
    usual = usual_of([launch(duration_s=0.5, phases_s=phases_s)])
    image = Image(reference="x", digest="sha256:0", handle="x")
    stage = Stage(image=image, test_image=image, denied_errno=errno.ENOSYS, limit_s=60.0)
    limits_s = within(stage, "test", usual).phase_limits_s
    assert limits_s["test 2"] == pytest.approx(limits_s["test"] + LIMIT_FACTOR * RELOADING_S)
    assert {limits_s[phase] for phase in ("start", "test", "reload", "stop")} == {limits_s["test"]}
