"""The engines by name, loaded when one is asked for, and the choice that ``--engine auto`` makes."""

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from types import MappingProxyType

from capmin.engines import Engine, EngineOptions
from capmin.errors import EngineError

_log = logging.getLogger(__name__)


def _runc(options: EngineOptions) -> Engine:
    # Engines load what only they need.
    from capmin.engines.rootfs import RootfsCache  # noqa: PLC0415
    from capmin.engines.runc import NEEDS_ROOT, RuncEngine  # noqa: PLC0415

    # Before the cache, which would make its directories, or fail for a reason that leads astray.
    if os.geteuid() != 0:
        raise EngineError(NEEDS_ROOT)
    return RuncEngine(options, RootfsCache(options.cache_dir, options.docker_host))


def _docker(options: EngineOptions) -> Engine:
    from capmin.engines.docker import DockerEngine  # noqa: PLC0415 - docker-py takes 0.3 s to import

    return DockerEngine(options)


ENGINES: Mapping[str, Callable[[EngineOptions], Engine]] = MappingProxyType(
    {"docker": _docker, "runc": _runc}
)


def open_engine(name: str, options: EngineOptions) -> Engine:
    """The engine of that name; ``auto`` is runc where it can run, else docker.

    Raises:
        EngineError: it is not available here.
    """
    if name != "auto":
        return ENGINES[name](options)
    if os.geteuid() == 0 and shutil.which("runc"):
        return _runc(options)
    try:
        return _docker(options)
    except EngineError as error:
        raise EngineError(
            "no engine is available: be root and install runc, or start Docker (capmin doctor says more)"
        ) from error


def open_confirming_engine(searching: Engine, options: EngineOptions) -> Engine | None:
    """Docker, where it is reachable and is not the engine that searched: what profiles are deployed on."""
    if searching.name == "docker":
        return None
    try:
        return _docker(options)
    except EngineError as error:
        _log.info("Docker is not reachable, %s confirms: %s", searching.name, error)
        return None
