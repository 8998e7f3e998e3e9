"""Containers on one network: names stand for 127.0.0.1, and every engine has the same loopback for all."""

from capmin.engines import Exit
from capmin.engines._process import run
from tests.contract.conftest import LIMIT_S, USUAL, Bench


def test_names_are_those_of_the_network(bench: Bench) -> None:
    with bench.engine.start(bench.spec("sleep", "600", names=("db", "web")), USUAL) as first:
        hosts = bench.output("cat", "/etc/hosts", network=first)
        assert [line for line in hosts.splitlines() if line.endswith(("db", "web"))] == [
            "127.0.0.1\tdb",
            "127.0.0.1\tweb",
        ]
        with first.beside(bench.spec("cat", "/etc/hosts")) as sidecar:
            assert sidecar.wait(LIMIT_S) == Exit(code=0)
            assert sidecar.output().rstrip() == hosts


def test_a_service_is_reached_by_its_name(bench: Bench) -> None:
    serve = "while :; do echo served | nc -l -p 8080; done"
    client = "until echo | nc db 8080; do sleep 0.02; done"
    with (
        bench.engine.start(bench.spec("sleep", "600", names=("db",)), USUAL) as first,
        bench.engine.start(bench.spec("sh", "-c", serve, network=first), USUAL),
    ):
        assert bench.output("sh", "-c", client, network=first) == "served"


def test_ports_are_as_privileged_as_on_a_network_of_its_own(bench: Bench) -> None:
    start = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    with bench.engine.start(bench.spec("sleep", "600"), USUAL) as first:
        assert bench.output("sh", "-c", start, network=first) == "1024"


def test_a_network_goes_with_its_container(bench: Bench) -> None:
    with bench.engine.start(bench.spec("true"), USUAL) as first:
        assert first.wait(LIMIT_S) == Exit(code=0)
        assert first.network_namespace() is None
        ended = bench.run("true", network=first)
        assert ended.exit.refused
        assert ended.exit.code == 125


def test_the_host_can_enter_it(bench: Bench) -> None:
    with bench.engine.start(bench.spec("sleep", "600"), USUAL) as container:
        namespace = container.network_namespace()
        assert namespace is not None
        seen = container.execute(("cat", "/proc/net/dev"), LIMIT_S).output
        here = run(["nsenter", f"--net={namespace}", "cat", "/proc/net/dev"]).stdout
        assert here.splitlines()[2].split()[0] == seen.splitlines()[2].split()[0] == "lo:"
        assert len(here.splitlines()) == len(seen.splitlines()) == 3
