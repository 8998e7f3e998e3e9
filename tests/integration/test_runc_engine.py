"""The runc engine where it differs from the others; what it shares with them is in the contract suite.

- It tells what the grant did from what the host did: by facts, see `RuncContainer._refusal`.
- Nothing is left: not where runc hangs, nor where capmin and its keeper are both killed.
- The floor is enough for runc, each time.
"""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from capmin.engines import EngineOptions, Exit, Image, LaunchSpec, Observe, keeper
from capmin.engines.rootfs import RootfsCache
from capmin.engines.runc import RuncEngine
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.seccomp import Action, Rule, SeccompProfile, docker_default, profile_for
from tests.conftest import Engines
from tests.contract.images import contract_image

pytestmark = pytest.mark.engine("runc")

LIMIT_S = 30.0
USUAL = Grant(capabilities=DOCKER_DEFAULT)
NONE = Grant(capabilities=frozenset(), syscalls=frozenset())


@pytest.fixture(scope="module")
def image(cache_dir: Path) -> Iterator[Image]:
    with RootfsCache(cache_dir) as cache:
        yield cache.image(contract_image(cache))


@pytest.fixture
def options(engines: Engines) -> Iterator[EngineOptions]:
    # Not under tmp_path: sockets below it would have longer paths than the kernel takes.
    with tempfile.TemporaryDirectory(prefix="capmin-") as name:
        yield replace(engines.options("runc"), state_dir=Path(name) / "s")


@pytest.fixture
def engine(options: EngineOptions) -> Iterator[RuncEngine]:
    with RuncEngine(options, RootfsCache(options.cache_dir)) as engine:
        yield engine
    assert list(options.state_dir.iterdir()) == []
    assert str(options.state_dir) not in Path("/proc/self/mountinfo").read_text()
    assert keeper.cgroup_directories(engine._state.cgroup) == []


def spec(image: Image, *argv: str, observe: Observe = Observe.NOTHING) -> LaunchSpec:
    return LaunchSpec(image=image, argv=argv, denied_errno=errno.ENOSYS, observe=observe)


def run(engine: RuncEngine, spec: LaunchSpec, grant: Grant = USUAL) -> Exit:
    with engine.start(spec, grant) as container:
        ended = container.wait(LIMIT_S)
    assert ended is not None
    return ended


def without(*names: str) -> SeccompProfile:
    """Docker's default, but for calls that even the floor has."""
    default = docker_default(DOCKER_DEFAULT, "x86_64")
    rules = (replace(rule, names=tuple(n for n in rule.names if n not in names)) for rule in default.rules)
    denied = Rule(names=tuple(map(Syscall, names)), action=Action.ERRNO, errno=errno.ENOSYS)
    return replace(default, rules=(*(rule for rule in rules if rule.names), denied))


@pytest.mark.parametrize("name", ["capset", "setgroups", "openat", "prctl", "getdents64"])
def test_a_filter_that_stops_runc_refuses(engine: RuncEngine, image: Image, name: str) -> None:
    ended = run(engine, replace(spec(image, "true"), seccomp_profile=without(name)))
    assert ended.code == 125
    assert ended.refused is not None
    assert "function not implemented" in ended.refused


def test_a_filter_that_stops_runcs_init_only_refuses_too(engine: RuncEngine, image: Image) -> None:
    ended = run(engine, replace(spec(image, "/bin/true"), seccomp_profile=without("execve")))
    assert ended == Exit(code=1, refused="exec /bin/true: function not implemented")


@pytest.fixture
def broken_runc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runc that tells its version, and fails in whatever it is asked to do."""
    script = tmp_path / "bin" / "runc"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {shutil.which("runc")} --version\n'
        'echo "no space left on device" >&2\nexit 1\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("broken_runc")
@pytest.mark.parametrize("observe", Observe)
@pytest.mark.parametrize("grant", [USUAL, NONE])
def test_a_broken_host_is_an_engine_error(
    options: EngineOptions, image: Image, grant: Grant, observe: Observe
) -> None:
    with (
        RuncEngine(options, RootfsCache(options.cache_dir)) as engine,
        engine.start(spec(image, "true", observe=observe), grant) as container,
        pytest.raises(EngineError, match="no space left on device"),
    ):
        container.wait(LIMIT_S)


def test_no_runc_is_an_engine_error(options: EngineOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="apt-get install runc"):
        RuncEngine(options, RootfsCache(options.cache_dir))


def test_what_the_host_lacks_is_an_engine_error(engine: RuncEngine, image: Image) -> None:
    grant = Grant(capabilities=engine.ceiling | {Capability("CAP_OF_TOMORROW")})
    with pytest.raises(EngineError, match="cannot give"), engine.start(spec(image, "true"), grant):
        pass


def test_a_runtime_that_hangs_runs_into_the_limit(engine: RuncEngine, image: Image, tmp_path: Path) -> None:
    """A filter that notifies a listener which never answers: runc's init stands still for ever."""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        notifying = replace(
            without("getppid"),
            rules=(
                Rule(names=(Syscall("capset"),), action=Action.NOTIFY),
                *(rule for rule in without("capset").rules if rule.action is Action.ALLOW),
            ),
            listener_path=str(tmp_path / "deaf"),
        )
        with engine.start(replace(spec(image, "true"), seccomp_profile=notifying), USUAL) as container:
            assert container.wait(0.1) is None
            container.signal(signal.SIGTERM)
            pids = [process.pid for process in container.processes()]
            with container.beside(spec(image, "true")) as sidecar:
                refused = sidecar.wait(LIMIT_S)
            assert refused is not None
            assert refused.refused is not None
    assert pids
    assert not any(alive(pid) for pid in pids)


def test_credentials_after_execve_are_those_reported(engine: RuncEngine, image: Image) -> None:
    with engine.start(spec(image, "grep", "Cap", "/proc/self/status"), USUAL) as container:
        container.wait(LIMIT_S)
        granted = container.granted()
        lines = dict(line.split(":\t") for line in container.output().splitlines())
    assert granted is not None
    assert granted.effective == granted.bounding == DOCKER_DEFAULT
    assert lines["CapEff"] == lines["CapBnd"] == lines["CapPrm"]
    assert lines["CapInh"] == lines["CapAmb"] == "0" * 16


@pytest.mark.parametrize("observe", [Observe.NOTHING, Observe.DENIALS])
def test_the_floor_is_enough_each_time(engine: RuncEngine, image: Image, observe: Observe) -> None:
    with engine.start(spec(image, "true", observe=Observe.USES), NONE) as container:
        assert container.wait(LIMIT_S) == Exit(code=0)
        used = frozenset(attempt.syscall for attempt in container.attempts() or () if attempt.syscall)
    grant = NONE.with_syscalls(used)
    with ThreadPoolExecutor(8) as pool:
        ends = pool.map(lambda _: run(engine, spec(image, "true", observe=observe), grant), range(100))
    assert Counter(ends) == {Exit(code=0): 100}


def test_nothing_is_left_where_the_keeper_was_killed_too(options: EngineOptions, image: Image) -> None:
    owner = _Owner(options, image)
    owner.kill_all()
    left = options.state_dir / owner.state
    assert left.is_dir()
    with RuncEngine(options, RootfsCache(options.cache_dir)):
        assert not left.exists()
        assert str(left) not in Path("/proc/self/mountinfo").read_text()
        assert keeper.cgroup_directories(keeper.CGROUP_PREFIX + owner.state) == []
        assert not alive(owner.container)


class _Owner:
    """A process that runs a container, with its keeper and its foster parent."""

    _SCRIPT = """
import json, sys, time
from pathlib import Path
from capmin.engines import EngineOptions, Image, LaunchSpec
from capmin.engines.rootfs import RootfsCache
from capmin.engines.runc import RuncEngine
from capmin.grant import Grant
state, handle = map(Path, sys.argv[1:])
options = EngineOptions(campaign="x", state_dir=state, cache_dir=state.with_name("c"))
engine = RuncEngine(options, RootfsCache(options.cache_dir))
image = Image(reference="x", digest="x", handle=str(handle))
spec = LaunchSpec(image=image, argv=("sleep", "600"), denied_errno=38)
with engine.start(spec, Grant(capabilities=frozenset())) as container:
    helpers = [engine._state._keeper.pid, engine._site.fostering._parent.pid]
    print(json.dumps([engine._state.path.name, container.processes()[0].pid, helpers]), flush=True)
    time.sleep(600)
"""

    def __init__(self, options: EngineOptions, image: Image) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._SCRIPT, str(options.state_dir), image.handle],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.state, self.container, self._helpers = json.loads(self._process.stdout.readline())

    def kill_all(self) -> None:
        for pid in self._helpers:
            os.kill(pid, signal.SIGKILL)
        with self._process:
            self._process.kill()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped yet does not."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.01)
    return True


def test_profile_for_is_what_runc_loads(engine: RuncEngine, image: Image) -> None:
    """An emitted profile is launched to the letter, and nothing is observed with it."""
    profile = profile_for(
        engine.default_syscalls(DOCKER_DEFAULT),
        base=docker_default(DOCKER_DEFAULT, engine.architecture),
        architecture=engine.architecture,
        denied_errno=errno.ENOSYS,
    )
    launched = replace(spec(image, "true", observe=Observe.DENIALS), seccomp_profile=profile)
    with engine.start(launched, USUAL) as container:
        assert container.wait(LIMIT_S) == Exit(code=0)
        assert container.attempts() is None
