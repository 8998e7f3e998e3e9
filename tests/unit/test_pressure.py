"""What a launch lost: what its containers waited for, and the host's tasks while there is none of them.

- It only grows; what a container waited for counts when it is gone, too.
- A service that has passed its test is left alone for a moment, and for longer where the machine took that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capmin.engines import Container, Exit
from capmin.engines.simulated import SimulatedContainer
from capmin.engines.simulated_program import Run
from capmin.play import pressure
from capmin.play.clock import LONGEST_SETTLE_S, SETTLE_S, Clock
from capmin.play.pressure import Pressure

FORMAT = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


class Contained(SimulatedContainer):
    """A container whose process is somewhere under /proc, or nowhere."""

    def __init__(self, process: Path | None) -> None:
        super().__init__(Run(passes=True, ended_normally=True, attempts=()), is_service=True)
        self._process = process

    def network_namespace(self) -> Path | None:
        return None if self._process is None else self._process / "ns" / "net"


class Machine:
    """The files in which a kernel tells of pressure."""

    def __init__(self, root: Path) -> None:
        self.host = root / "host"
        self.group = root / "cgroup" / "launch"
        self.process = root / "42"
        self.group.mkdir(parents=True)
        self.process.mkdir()
        (self.process / "cgroup").write_text("2:cpuacct:/elsewhere\n0::/launch\n")
        self.waited(host_s=10, container_s=0)

    def waited(self, *, host_s: int, container_s: int) -> None:
        self.host.write_text(FORMAT.format(host_s * 1_000_000))
        (self.group / "cpu.pressure").write_text(FORMAT.format(container_s * 1_000_000))

    @contextmanager
    def start(self, process: Path | None, *, takes_s: int) -> Iterator[Container]:
        """A start during which the host is busy."""
        self.waited(host_s=10 + takes_s, container_s=0)
        yield Contained(process)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(pressure, "HOST", machine.host)
    monkeypatch.setattr(pressure, "_HIERARCHIES", (tmp_path / "unified", tmp_path / "cgroup"))
    return machine


def test_once_it_runs_what_a_container_waits_for_counts(machine: Machine) -> None:
    launch = Pressure()
    with launch.launched(machine.start(machine.process, takes_s=2)):
        machine.waited(host_s=100, container_s=3)
        assert launch.lost_s() == 5
        with launch.on_host():
            machine.waited(host_s=107, container_s=3)
            assert launch.lost_s() == 12
        machine.waited(host_s=200, container_s=4)
    (machine.group / "cpu.pressure").unlink()
    assert launch.lost_s() == 13


def test_without_its_control_group_the_host_counts(machine: Machine) -> None:
    launch = Pressure()
    with launch.launched(machine.start(None, takes_s=2)):
        machine.waited(host_s=100, container_s=3)
        assert launch.lost_s() == 90


class Waiting(Contained):
    """A container that is waited for on a machine that takes a share of the time."""

    def __init__(self, machine: Machine, share: float) -> None:
        super().__init__(None)
        self.waited_s: list[float] = []
        self._machine = machine
        self._share = share

    def wait(self, limit_s: float) -> Exit | None:
        self.waited_s.append(limit_s)
        lost_us = round(self._share * sum(self.waited_s) * 1e6)
        self._machine.host.write_text(FORMAT.format(10_000_000 + lost_us))
        return None


@pytest.mark.parametrize(
    ("share", "in_all_s"), [(0.0, SETTLE_S), (0.8, 5 * SETTLE_S), (1.0, LONGEST_SETTLE_S)]
)
def test_what_is_lost_of_settling_is_given_again(machine: Machine, share: float, in_all_s: float) -> None:
    container = Waiting(machine, share)
    assert Clock(1.0, {}, 1.0).settle(container) is None
    assert sum(container.waited_s) == pytest.approx(in_all_s, abs=1.1 * SETTLE_S)


def test_where_the_kernel_does_not_tell_settling_takes_no_longer(machine: Machine) -> None:
    container = Waiting(machine, 1.0)
    machine.host = machine.host.with_name("elsewhere")
    (machine.host.parent / "host").unlink()
    assert Clock(1.0, {}, 1.0).settle(container) is None
    assert container.waited_s == [SETTLE_S]


def test_a_kernel_that_does_not_tell(machine: Machine) -> None:
    machine.host.unlink()
    assert Pressure().lost_s() is None
