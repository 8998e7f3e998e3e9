"""When a service is ready."""

import re

from capmin.engines import Container, Image
from capmin.errors import UsageError
from capmin.play.clock import Clock
from capmin.play.commands import namespace_of
from capmin.play.requests import listens
from capmin.scenario import Ready


def is_ready(service: Container, ready: Ready, image: Image, clock: Clock) -> bool:
    """Whether all of what is asked for holds now, the cheapest asked first.

    Raises:
        UsageError: the image has no health check.
    """
    if ready.log is not None and re.search(ready.log, service.output(), re.MULTILINE) is None:
        return False
    if ready.port is not None:
        namespace = namespace_of(service)
        if namespace is None or not listens(ready.port, namespace, clock.left_s()):
            return False
    commands = [ready.command] if ready.command else []
    if ready.healthcheck:
        if not image.healthcheck:
            raise UsageError(f"{image.reference} has no health check: say when it is ready in another way")
        commands.append(image.healthcheck)
    return all(service.execute(command, clock.left_s()).code == 0 for command in commands)
