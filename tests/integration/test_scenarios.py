"""Real servers judged as in production: on what a happy path of one launch gets wrong.

- A grant that is enough for a first start can be too little for a second one on the same volume.
- apache without CAP_SETUID, whose children die at once or after their first answer, is broken every time.
- nginx, its workers' user apart, answers to reload, restart and stop as it should, on runc and on Docker.
"""

import errno
from collections.abc import Callable, Sequence

import pytest

from capmin.engines import Engine
from capmin.grant import Grant
from capmin.judge import judge, usual_of, within
from capmin.play import Stage, play, stage_for
from capmin.privileges.capability import DOCKER_DEFAULT, parse_capabilities
from capmin.scenario import HttpProbe, Phase, Reload, Scenario, Setting
from capmin.trial import Launch, Verdict

LIMIT_S = 60.0
USUAL = Grant(capabilities=DOCKER_DEFAULT)
PAGE = HttpProbe(url="http://127.0.0.1/", contains="Welcome to nginx")
NGINX = Scenario(
    name="production",
    service=True,
    probes=(PAGE, HttpProbe(url="http://127.0.0.1/nowhere", status=404)),
    phases=(Phase.TEST, Phase.RELOAD, Phase.TEST, Phase.RESTART, Phase.TEST, Phase.STOP),
    reload=Reload(signal="SIGHUP"),
    setting=Setting(volumes=(("state", "/var/lib/nginx"),)),
)

on_runc = pytest.mark.parametrize("name", ["runc"])


def staged(engine: Engine, scenario: Scenario, reference: str) -> Stage:
    return stage_for(engine, scenario, engine.image(reference), denied_errno=errno.ENOSYS, limit_s=LIMIT_S)


def verdicts(launches: Sequence[Launch], usual: Sequence[Launch]) -> set[Verdict]:
    return {judge(launch, usual_of(usual))[0] for launch in launches}


@pytest.fixture
def engine(name: str, open_real_engine: Callable[[str], Engine]) -> Engine:
    return open_real_engine(name)


@pytest.mark.parametrize("name", ["runc", "docker"])
def test_nginx_in_production(engine: Engine, built: Callable[[str], str]) -> None:
    stage = staged(engine, NGINX, built("nginx"))
    usual = [play(engine, NGINX, stage, USUAL) for _ in range(2)]
    needed = Grant(capabilities=parse_capabilities("CHOWN,DAC_OVERRIDE,NET_BIND_SERVICE,SETGID,SETUID"))
    stage = within(stage, NGINX.name, usual_of(usual))
    assert verdicts([*usual, play(engine, NGINX, stage, needed)], usual) == {Verdict.WORKS}
    for capability in sorted(needed.capabilities):
        launch = play(engine, NGINX, stage, needed.without(frozenset({capability})))
        assert judge(launch, usual_of(usual))[0] is Verdict.BREAKS, capability
        assert launch.waited_s < LIMIT_S


@on_runc
def test_a_second_start_needs_more_than_the_first(engine: Engine, built: Callable[[str], str]) -> None:
    """As postgres: it gives its new directory away, and cannot enter it the next time."""
    write = "set -e; [ -d /data/x ] || new=1; mkdir -p /data/x; echo > /data/x/file"
    give = "[ -z $new ] || { chmod 700 /data/x; chown 1000 /data/x; }"
    first = Scenario(test=("sh", "-c", f"{write}; {give}"), setting=Setting(volumes=(("data", "/data"),)))
    second = Scenario(test=first.test, setting=first.setting, phases=(Phase.TEST, Phase.TEST))
    stage = staged(engine, first, built("tools"))
    chown = Grant(capabilities=parse_capabilities("CHOWN"))
    assert play(engine, first, stage, chown).exit_code == 0
    launch = play(engine, second, stage, chown)
    assert judge(launch, usual_of([])) == (Verdict.BREAKS, "test 2: the test ended with exit code 2")
    assert (
        play(engine, second, stage, Grant(capabilities=parse_capabilities("CHOWN,DAC_OVERRIDE"))).exit_code
        == 0
    )


@pytest.mark.long
@on_runc
def test_apache_without_setuid_is_broken_every_time(engine: Engine, built: Callable[[str], str]) -> None:
    scenario = Scenario(service=True, probes=(HttpProbe(url="http://127.0.0.1/", contains="It works!"),))
    stage = staged(engine, scenario, built("apache"))
    usual = [play(engine, scenario, stage, USUAL) for _ in range(3)]
    assert verdicts(usual, usual) == {Verdict.WORKS}
    stage = within(stage, scenario.name, usual_of(usual))
    without = USUAL.without(parse_capabilities("SETUID"))
    broken = [play(engine, scenario, stage, without) for _ in range(20)]
    assert verdicts(broken, usual) == {Verdict.BREAKS}
