"""A sidecar shares the network of its neighbour and nothing else, and has every privilege there is."""

import pytest

from capmin.engines import Exit
from capmin.grant import Grant
from tests.contract.conftest import LIMIT_S, USUAL, Bench
from tests.contract.test_grants import masks

NOTHING = Grant(capabilities=frozenset())


def beside(bench: Bench, service: str, *argv: str) -> str:
    """What a command wrote that ran beside a service."""
    with (
        bench.engine.start(bench.spec("sh", "-c", service), NOTHING) as container,
        container.beside(bench.spec(*argv)) as sidecar,
    ):
        assert sidecar.wait(LIMIT_S) == Exit(code=0), sidecar.output()
        assert container.wait(0) is None
        return sidecar.output()


def test_it_reaches_the_service(bench: Bench) -> None:
    client = "until echo | nc 127.0.0.1 8080; do sleep 0.02; done"
    assert beside(bench, "while :; do echo served | nc -l -p 8080; done", "sh", "-c", client) == "served\n"


def test_it_has_a_file_system_of_its_own(bench: Bench) -> None:
    assert (
        beside(bench, "echo > /new; sleep 600", "sh", "-c", "sleep 0.2; ls / | grep -c new || true") == "0\n"
    )


def test_it_has_processes_of_its_own(bench: Bench) -> None:
    assert beside(bench, "sleep 600", "sh", "-c", "echo $$") == "1\n"


def test_it_has_every_privilege(bench: Bench) -> None:
    status = beside(bench, "sleep 600", "cat", "/proc/self/status")
    assert masks(status)["CapEff"] == bench.engine.ceiling
    assert "Seccomp:\t0" in status


def test_it_may_end_before_its_neighbour_and_after(bench: Bench) -> None:
    with bench.engine.start(bench.spec("sleep", "600"), USUAL) as container:
        with container.beside(bench.spec("true")) as sidecar:
            assert sidecar.wait(LIMIT_S) == Exit(code=0)
        with container.beside(bench.spec("sleep", "600")) as sidecar:
            container.signal(9)
            assert container.wait(LIMIT_S) == Exit(code=137)
            assert sidecar.wait(0.05) is None


@pytest.mark.parametrize("user", ["1000"])
def test_it_is_the_images_user(bench: Bench, user: str) -> None:
    with (
        bench.engine.start(bench.spec("sleep", "600"), USUAL) as container,
        container.beside(bench.spec("id", "-u", image=bench.configured(user=user))) as sidecar,
    ):
        assert sidecar.wait(LIMIT_S) == Exit(code=0)
        assert sidecar.output() == f"{user}\n"
