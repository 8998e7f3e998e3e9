"""What runs beside the searched container: each with Docker's default privileges, on one network."""

from collections.abc import Mapping
from contextlib import ExitStack

from capmin.engines import Container, Engine, Image, LaunchSpec, Volume
from capmin.grant import Grant
from capmin.play.broken import Broken
from capmin.play.clock import Clock
from capmin.play.readiness import is_ready
from capmin.play.settings import mounts_of
from capmin.play.stage import Stage
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.scenario import Companion, Scenario


def start_companions(
    engine: Engine,
    scenario: Scenario,
    stage: Stage,
    *,
    volumes: Mapping[str, Volume],
    clock: Clock,
    stack: ExitStack,
) -> Container | None:
    """Start them in order, each once the one before is ready; gives the one whose network is everyone's.

    That is the first one's network, so that the searched container can be started again on it.

    Raises:
        Broken: one does not become ready.
    """
    network: Container | None = None
    grant = Grant(capabilities=DOCKER_DEFAULT & engine.ceiling)
    names = tuple(companion.name for companion in scenario.companions)
    for companion, image in zip(scenario.companions, stage.companion_images, strict=True):
        setting = companion.setting
        spec = LaunchSpec(
            image=image,
            arguments=setting.arguments,
            environment=setting.environment,
            user=setting.user,
            mounts=mounts_of(setting, volumes),
            names=(*names, *([scenario.alias] if scenario.alias else ())),
            network=network,
            denied_errno=stage.denied_errno,
        )
        container = stack.enter_context(clock.pressure.launched(engine.start(spec, grant)))
        network = network or container
        _await_companion(container, companion, image, clock)
    return network


def _await_companion(container: Container, companion: Companion, image: Image, clock: Clock) -> None:
    def pause(pause_s: float) -> None:
        if (end := container.wait(pause_s)) is not None:
            lines = container.output().strip().splitlines()
            last = f": {lines[-1]}" if lines else ""
            raise Broken(trouble=f"the companion {companion.name} ended with exit code {end.code}{last}")

    ready = companion.ready
    if ready is None:
        return
    try:
        clock.until(lambda: is_ready(container, ready, image, clock), pause)
    except Broken as broken:
        raise (
            broken
            if broken.trouble
            else Broken(trouble=f"the companion {companion.name} did not become ready in time")
        ) from broken
