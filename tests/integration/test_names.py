"""Companions are found by DNS, as on the networks that services run on in production, on every engine.

- The names of the network have 127.0.0.1, other names are none, and /etc/hosts knows neither.
- So what asking takes is searched: without `poll` a name is not found.
- A restarted container asks the same server, and nothing is left of it.
"""

import errno
import threading
from collections.abc import Callable

import dns.message
import dns.rcode
import pytest

from capmin.engines import Engine
from capmin.grant import Grant
from capmin.play import play, stage_for
from capmin.play.names import answer
from capmin.privileges import Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.scenario import Companion, Phase, Scenario, Setting
from capmin.trial import Launch

USUAL = Grant(capabilities=DOCKER_DEFAULT)
ASK = "getent ahosts db; getent ahosts web; getent ahosts nobody; grep -cwE 'db|web' /etc/hosts || :"
FOUND = [
    *("127.0.0.1 STREAM db", "127.0.0.1 DGRAM", "127.0.0.1 RAW"),
    *("127.0.0.1 STREAM web", "127.0.0.1 DGRAM", "127.0.0.1 RAW"),
    "0",
]  # fmt: skip


@pytest.fixture(params=["runc", "docker", "docker-modern"])
def engine(request: pytest.FixtureRequest, open_real_engine: Callable[[str], Engine]) -> Engine:
    return open_real_engine(request.param)


def asked(engine: Engine, image: str, grant: Grant, *phases: Phase) -> Launch:
    setting = Setting(arguments=("sleep", "600"))
    scenario = Scenario(
        test=("sh", "-c", ASK),
        phases=phases,
        alias="web",
        companions=(Companion(name="db", image=image, setting=setting),),
    )
    stage = stage_for(engine, scenario, engine.image(image), denied_errno=errno.ENOSYS, limit_s=60.0)
    return play(engine, scenario, stage, grant)


def lines(launch: Launch) -> list[str]:
    return [" ".join(line.split()) for line in launch.output.splitlines()]


def test_names_are_asked_for(engine: Engine, built: Callable[[str], str]) -> None:
    launch = asked(engine, built("tools"), USUAL, Phase.TEST, Phase.TEST)
    assert lines(launch) == FOUND * 2
    assert [thread for thread in threading.enumerate() if thread.name == "dns"] == []


def test_what_asking_takes_is_searched(engine: Engine, built: Callable[[str], str]) -> None:
    allowed = engine.default_syscalls(DOCKER_DEFAULT)
    without = Grant(capabilities=DOCKER_DEFAULT, syscalls=allowed - {Syscall("poll")})
    assert lines(asked(engine, built("tools"), without, Phase.TEST)) == ["0"]


def test_answers() -> None:
    names = frozenset({"db"})

    def told(name: str, kind: str) -> tuple[dns.rcode.Rcode, list[str]]:
        reply = answer(dns.message.make_query(name, kind).to_wire(), names)
        assert reply is not None
        message = dns.message.from_wire(reply)
        return message.rcode(), [str(found) for entry in message.answer for found in entry]

    assert told("db", "A") == told("DB.", "A") == (dns.rcode.NOERROR, ["127.0.0.1"])
    assert told("db", "AAAA") == (dns.rcode.NOERROR, [])
    assert told("nobody", "A") == (dns.rcode.NXDOMAIN, [])
    assert answer(b"nonsense", names) is None
