"""The test command of a service, from wherever it runs: beside it, inside it, or on the host."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from capmin.engines import Container, LaunchSpec
from capmin.engines._process import spawn
from capmin.engines.output_tail import OutputTail
from capmin.errors import EngineError
from capmin.play.clock import SLICE_S, Clock
from capmin.play.stage import Stage
from capmin.scenario import Place, Scenario

_END_LIMIT_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """``code`` is None where it did not end in time, or the service did before."""

    code: int | None
    output: str


def run_test(service: Container, scenario: Scenario, stage: Stage, clock: Clock) -> Ran:
    """Run the test command once.

    Raises:
        EngineError: the engine, or this host, is broken.
    """
    match scenario.test_in:
        case Place.SIDECAR:
            return _beside(service, scenario, stage, clock)
        case Place.INSIDE:
            done = service.execute(scenario.test, clock.left_s())
            return Ran(code=done.code, output=done.output)
        case Place.HOST:
            return _on_host(service, scenario, stage, clock)


def namespace_of(service: Container) -> Path | None:
    """Where a service's network can be entered; None where it has ended.

    Raises:
        EngineError: it runs on another machine.
    """
    namespace = service.network_namespace()
    # A daemon tells of a container's end some time after its processes are gone.
    if namespace is None and service.wait(_END_LIMIT_S) is None:
        raise EngineError(
            "the containers' network cannot be entered from here: is the Docker daemon on another machine? "
            "Give a test command, which then runs in a sidecar, instead of http, tcp and host probes"
        )
    return namespace


def _beside(service: Container, scenario: Scenario, stage: Stage, clock: Clock) -> Ran:
    spec = LaunchSpec(image=stage.test_image, argv=scenario.test, denied_errno=stage.denied_errno)
    with clock.pressure.launched(service.beside(spec)) as beside:
        end = clock.end_beside(beside, service)
        return Ran(code=None if end is None else end.code, output=beside.output())


def _on_host(service: Container, scenario: Scenario, stage: Stage, clock: Clock) -> Ran:
    """A program of the host in the container's network: there is no other way to its loopback."""
    namespace = namespace_of(service)
    if namespace is None:
        return Ran(code=None, output="")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    tail = OutputTail(reading)
    try:
        running = spawn(
            ["nsenter", f"--net={namespace}", "--", *scenario.test],
            output=writing,
            environment={**os.environ, "CAPMIN_HOST": "127.0.0.1", "CAPMIN_PORT": _port(scenario, stage)},
            directory=Path(scenario.folder or "/"),
        )
    finally:
        os.close(writing)
    with contextlib.closing(running), clock.pressure.on_host():
        code = None
        while code is None and clock.left_s() > 0.0 and service.wait(0.0) is None:
            code = running.wait(min(clock.left_s(), SLICE_S))
        if code is None:
            running.kill()
    tail.wait(SLICE_S if code is None else 2.0)
    return Ran(code=code, output=tail.text())


def _port(scenario: Scenario, stage: Stage) -> str:
    exposed = (port.partition("/")[0] for port in stage.image.exposed_ports)
    return next(exposed, "") if scenario.port is None else str(scenario.port)
