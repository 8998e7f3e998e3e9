"""A scenario means the same on every engine: its phases, its probes, and what counts as broken.

- Volumes, those that the image declares included, last from phase to phase; the rest of a container does not.
- Each phase can fail, and the launch tells which one did; what follows is not played.
- A probe runs where it is said to: beside the service with every privilege, inside it with the service's
  own, or on the host; requests of capmin's own need nothing in the image.
- An answer that differs from the baseline's is a failure, and what varies there is none.
- A service that ends, or starts its processes again and again, fails long before the limit.
"""

import errno
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from capmin.grant import Grant
from capmin.judge import judge, only_differs, usual_of, widened, within
from capmin.play import play, stage_for
from capmin.scenario import (
    Companion,
    HttpProbe,
    Phase,
    Place,
    Ready,
    Reload,
    Scenario,
    Setting,
    Stop,
    TcpProbe,
)
from capmin.trial import Launch, Verdict
from tests.contract.conftest import LIMIT_S, USUAL, Bench

NOTHING = Grant(capabilities=frozenset())

SERVICE = """
trap 'exit ${CODE:-0}' TERM
trap 'echo new > /www/page; echo reloaded' HUP
mkdir -p /www /data
echo start >> /data/starts
ln -s /data/starts /www/starts
echo "${PAGE:-page} of $HOSTNAME at $(cat /proc/uptime)" > /www/page
busybox httpd -p 8080 -h /www
echo ready
while :; do sleep 60 & wait $!; done
"""
STARTS = HttpProbe(url="http://127.0.0.1:8080/starts", contains="start")
PAGE = HttpProbe(url="http://127.0.0.1:8080/page")
DATA = Setting(volumes=(("data", "/data"),))


def played(
    bench: Bench,
    script: str = SERVICE,
    *,
    grant: Grant = USUAL,
    limits_s: Mapping[str, float] | None = None,
    **scenario: Any,  # noqa: ANN401 (those of Scenario)
) -> Launch:
    """A launch of a service that is a shell script; ``limits_s`` are those of phases, else it is LIMIT_S."""
    image = bench.configured(entrypoint=("sh", "-c", script), volumes=("/declared",))
    what = Scenario(service=True, **scenario)
    stage = stage_for(bench.engine, what, image, denied_errno=errno.EPERM, limit_s=LIMIT_S)
    return play(bench.engine, what, replace(stage, phase_limits_s=limits_s or {}), grant)


def assert_works(launch: Launch) -> None:
    assert judge(launch, usual_of([])) == (Verdict.WORKS, "the test passed"), launch


def bodies(launch: Launch) -> list[tuple[str, str]]:
    return [(answer.phase, answer.text.partition("\n\n")[2]) for answer in launch.answers]


def test_volumes_last_and_the_rest_does_not(bench: Bench) -> None:
    marks = "for d in /declared /plain; do mkdir -p $d; echo $d $(ls $d); touch $d/x; done"
    launch = played(
        bench,
        marks + SERVICE,
        probes=(STARTS,),
        setting=DATA,
        phases=(Phase.TEST, Phase.RESTART, Phase.TEST, Phase.STOP),
        compare=("answers", "/data/starts"),
    )
    assert_works(launch)
    assert [text.count("start") for _, text in bodies(launch) if text] == [1, 2]
    assert [a.text for a in launch.answers if a.source == "/data/starts"] == ["start\n", "start\nstart\n"]
    assert [phase for phase, _ in launch.phases_s] == ["start", "test", "restart", "test 2", "stop"]
    assert launch.output.split() == ["/declared", "/plain", "ready", "/declared", "x", "/plain", "ready"]


def test_a_reload_is_waited_for(bench: Bench) -> None:
    phases = (Phase.TEST, Phase.RELOAD, Phase.TEST)
    launch = played(bench, probes=(PAGE,), phases=phases, reload=Reload(signal="SIGHUP", log="^reloaded$"))
    assert_works(launch)
    assert bodies(launch)[1] == ("test 2", "new\n")
    launch = played(bench, probes=(PAGE,), phases=phases, reload=Reload(command=("kill", "-HUP", "1")))
    assert_works(launch)
    assert bodies(launch)[1] == ("test 2", "new\n")


def test_a_reload_that_fails_is_told(bench: Bench) -> None:
    phases = (Phase.TEST, Phase.RELOAD, Phase.TEST)
    launch = played(
        bench, probes=(PAGE,), phases=phases, reload=Reload(command=("sh", "-c", "echo no; exit 3"))
    )
    assert (launch.phase, launch.trouble) == ("reload", "the reload command ended with exit code 3: no")
    assert judge(launch, usual_of([])) == (Verdict.BREAKS, f"reload: {launch.trouble}")


def test_how_it_stops_is_judged(bench: Bench) -> None:
    phases = (Phase.TEST, Phase.STOP)
    odd: dict[str, Any] = {"probes": (PAGE,), "phases": phases, "setting": Setting(environment=("CODE=7",))}
    launch = played(bench, **odd)
    assert (launch.phase, launch.trouble) == ("stop", "it ended with exit code 7 when it was stopped")
    assert_works(played(bench, **odd, stop=Stop(exit_codes=(0, 7))))
    deaf = played(bench, **odd, stop=Stop(signal="SIGUSR1", limit_s=0.3))
    # What is told is how long it was waited for: on a busy machine a little longer than the limit.
    assert re.fullmatch(r"it did not stop within (0\.[3-9]|\d\.\d) s of signal 10", deaf.trouble or "")


def test_a_restart_that_fails_is_told(bench: Bench) -> None:
    script = SERVICE.replace("echo start", "[ ! -e /data/starts ] || exit 9; echo start")
    launch = played(
        bench, script, probes=(PAGE,), phases=(Phase.TEST, Phase.RESTART, Phase.TEST), setting=DATA
    )
    assert (launch.phase, launch.service_exit_code) == ("test 2", 9)
    assert judge(launch, usual_of([]))[1] == "test 2: the service ended with exit code 9"


def test_when_it_is_ready_the_test_runs_once(bench: Bench) -> None:
    missing = HttpProbe(url="http://127.0.0.1:8080/nowhere")
    for ready in (Ready(port=8080, log="^ready$"), Ready(command=("sh", "-c", "grep -q start /data/starts"))):
        launch = played(bench, probes=(missing,), ready=ready)
        assert launch.trouble in (
            "GET http://127.0.0.1:8080/nowhere answered with status 404",
            "GET http://127.0.0.1:8080/nowhere: [Errno 111] Connection refused",
        )
        assert not launch.timed_out
    image = bench.configured(entrypoint=("sh", "-c", SERVICE), healthcheck=("grep", "start", "/data/starts"))
    scenario = Scenario(service=True, probes=(PAGE,), ready=Ready(healthcheck=True, port=8080))
    stage = stage_for(bench.engine, scenario, image, denied_errno=errno.EPERM, limit_s=LIMIT_S)
    assert_works(play(bench.engine, scenario, stage, USUAL))


def test_places_of_the_test(bench: Bench) -> None:
    privileges = ("grep", "CapBnd", "/proc/self/status")
    inside = played(bench, grant=NOTHING, test=privileges, test_in=Place.INSIDE, compare=("output",))
    assert inside.answers[0].text == "CapBnd:\t0000000000000000\n"
    beside = played(bench, grant=NOTHING, test=privileges)
    assert int(beside.answers[0].text.split()[1], 16) != 0
    code = (
        "import os; print(os.environ['CAPMIN_HOST'], os.environ['CAPMIN_PORT'], open('/proc/net/dev').read())"
    )
    host = played(bench, test=(sys.executable, "-c", code), test_in=Place.HOST, port=8080)
    assert host.answers[0].text.startswith("127.0.0.1 8080")
    assert host.answers[0].text.count(":") == 1


def test_tcp_probes(bench: Bench) -> None:
    request = TcpProbe(port=8080, send="GET /starts HTTP/1.0\r\n\r\n", expect="start")
    assert_works(played(bench, probes=(request,)))
    launch = played(bench, probes=(replace(request, expect="nonsense"),), ready=Ready(port=8080))
    assert launch.trouble == "tcp 8080: closed without 'nonsense'"


def test_an_empty_answer_is_broken(bench: Bench) -> None:
    # Of a time of its own the page has an ETag that launches within a second do not show to vary;
    # where touch is given a day alone, it takes the time of the day from the clock.
    service = SERVICE.replace("busybox httpd", "touch -d '2026-01-01 00:00:00' /www/page; busybox httpd")
    usual = usual_of([played(bench, service, probes=(PAGE,)) for _ in range(3)])
    # Not by what runs: the shell may not have come to its sleep yet.
    usual = replace(usual, programs={})
    again = played(bench, service, probes=(PAGE,))
    for _ in range(3):  # clocks go on, which further launches show
        if only_differs(again, usual):
            usual = widened(usual, played(bench, service, probes=(PAGE,)))
    assert judge(again, usual)[0] is Verdict.WORKS
    empty = played(bench, service.replace("touch", ": > /www/page; touch"), probes=(PAGE,))
    assert empty.exit_code == 0
    assert only_differs(empty, usual)
    verdict, reason = judge(empty, usual)
    assert verdict is Verdict.BREAKS
    assert "GET http://127.0.0.1:8080/page" in reason
    other = played(bench, service, probes=(PAGE,), setting=Setting(environment=("PAGE=pagf",)))
    assert "instead of 'page of " in judge(other, usual)[1]
    assert judge(other, widened(usual, other))[0] is Verdict.WORKS


def test_a_crash_loop_is_found(bench: Bench) -> None:
    probe: dict[str, Any] = {"probes": (TcpProbe(port=9999),)}
    image = bench.configured(entrypoint=("sh", "-c", "while :; do sleep 0.03; done"))
    scenario = Scenario(service=True, **probe)
    stage = stage_for(bench.engine, scenario, image, denied_errno=errno.EPERM, limit_s=LIMIT_S)
    calm = within(
        stage,
        "test",
        usual_of([Launch(scenario="test", grant=USUAL, exit_code=0, duration_s=9.0, spawned=1)]),
    )
    launch = play(bench.engine, scenario, calm, USUAL)
    assert launch.trouble is not None
    assert "again and again" in launch.trouble
    assert launch.spawned > 12
    assert not launch.timed_out


def test_the_end_of_a_service_is_noticed_while_it_is_tested(bench: Bench) -> None:
    launch = played(bench, "sleep 0.3; echo dying; exit 5", test=("sleep", "600"))
    assert (launch.service_exit_code, launch.output) == (5, "dying\n")
    assert not launch.timed_out


def test_time_limits_hold_for_each_phase(bench: Bench) -> None:
    launch = played(bench, probes=(TcpProbe(port=9999),), limits_s={"test": 0.4})
    assert (launch.timed_out, launch.phase) == (True, "test")
    assert 0.0 < launch.waited_s < launch.duration_s
    assert launch.waited_s <= dict(launch.phases_s)["test"] < LIMIT_S


def test_companions_have_names_and_volumes_in_common(bench: Bench) -> None:
    store = bench.configured(entrypoint=("sh", "-c", SERVICE))
    companion = Companion(name="store", image=store.reference, setting=DATA, ready=Ready(port=8080))
    script = "busybox wget -q -O - http://store:8080/starts; cat /shared/starts; grep -c store /etc/hosts"
    launch = played(
        bench,
        # The name is asked for by DNS (tests/integration/test_names.py).
        f"{script}; trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done",
        grant=NOTHING,
        test=("busybox", "wget", "-q", "-O", "-", "http://store:8080/starts"),
        companions=(companion,),
        alias="web",
        setting=Setting(read_only_volumes=(("data", "/shared"),)),
        phases=(Phase.TEST, Phase.RESTART, Phase.TEST),
    )
    assert_works(launch)
    assert launch.output.split() == ["start", "start", "0"] * 2


def test_nothing_is_concluded_without_companions(bench: Bench) -> None:
    broken = bench.configured(entrypoint=("sh", "-c", "echo no disk; exit 4"))
    companion = Companion(name="store", image=broken.reference, ready=Ready(port=8080))
    launch = played(bench, probes=(PAGE,), companions=(companion,))
    assert judge(launch, usual_of([])) == (
        Verdict.UNRESOLVED,
        "the companion store ended with exit code 4: no disk",
    )


def test_a_program_that_is_run_twice(bench: Bench) -> None:
    image = bench.configured()
    scenario = Scenario(
        test=("sh", "-c", "echo once >> /data/x; cat /data/x; [ $(grep -c . /data/x) -lt 3 ]"),
        phases=(Phase.TEST, Phase.TEST),
        setting=DATA,
        compare=("output",),
    )
    stage = stage_for(bench.engine, scenario, image, denied_errno=errno.EPERM, limit_s=LIMIT_S)
    launch = play(bench.engine, scenario, stage, NOTHING)
    assert_works(launch)
    assert [answer.text for answer in launch.answers] == ["once\n", "once\nonce\n"]
    thrice = replace(scenario, phases=(Phase.TEST,) * 4)
    launch = play(bench.engine, thrice, stage, NOTHING)
    assert (launch.phase, launch.exit_code) == ("test 3", 1)


def test_time_waited_in_vain_is_counted_once(bench: Bench) -> None:
    for launch in (
        played(bench, test=("sleep", "600"), limits_s={"test": 1.5}),
        played(bench, test=("sleep", "600"), ready=Ready(command=("true",)), limits_s={"test": 1.5}),
    ):
        assert (launch.timed_out, launch.phase) == (True, "test")
        assert 0.0 < launch.waited_s < launch.duration_s
