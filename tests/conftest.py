"""The engines that tests run on: opened once a process, and looked after.

A test names the engines that it needs: ``@pytest.mark.engine("runc")``, or by the fixture ``engine`` of the
contract suite. An engine that is missing skips the test with its reason, and fails it where CI is set.
"""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from capmin.engines import Engine, EngineOptions
from capmin.engines.places import cache_dir as usual_cache_dir
from capmin.engines.registry import open_engine
from capmin.errors import EngineError
from tests.scheduling import Scheduling

MODERN = "CAPMIN_TEST_DOCKER_MODERN"
"""Address of a daemon of Docker 23 or later, as .ci/with-docker exports it."""


if not os.environ.get("CI"):  # where Hypothesis has a profile of its own, as unhurried as this one
    settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    # A script's `make test &` has it ignored, and so would have all that tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "long: takes 10 s or more; begun first, so that none is left at the end"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Engines:
    """The real engines by the tests' names for them, opened at first use."""

    def __init__(self, stack: ExitStack, state_dir: Path, cache_dir: Path) -> None:
        self.state_dir = state_dir
        self.cache_dir = cache_dir
        self.campaign = f"test-{uuid.uuid4().hex[:8]}"
        self._stack = stack
        self._opened: dict[str, Engine | EngineError] = {}

    def options(self, name: str) -> EngineOptions:
        return EngineOptions(
            campaign=self.campaign,
            state_dir=self.state_dir,
            cache_dir=self.cache_dir,
            docker_host=os.environ.get(MODERN) if name == "docker-modern" else None,
        )

    def open(self, name: str) -> Engine:
        """The engine, shared by all tests of this process; where it is missing, the test skips or fails."""
        if name not in self._opened:
            self._opened[name] = self._try(name)
        engine = self._opened[name]
        if isinstance(engine, EngineError):
            missing(f"{name}: {engine}")
        return engine

    def _try(self, name: str) -> Engine | EngineError:
        if name == "docker-modern" and not os.environ.get(MODERN):
            return EngineError(f"{MODERN} is not set: run the tests through .ci/with-docker")
        try:
            return self._stack.enter_context(open_engine(name.partition("-")[0], self.options(name)))
        except EngineError as error:
            return error


def missing(reason: str) -> NoReturn:
    """Skip the test; where CI is set, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Images of tests: kept from run to run, apart from the user's own."""
    return usual_cache_dir() / "tests"


@pytest.fixture(scope="session")
def state_dir() -> Iterator[Path]:
    """A place with a short path, as Unix sockets in it need; nothing may be left in it."""
    path = Path(tempfile.mkdtemp(prefix="capmin-"))
    yield path
    left = sorted(path.iterdir())
    shutil.rmtree(path, ignore_errors=True)
    assert left == []


@pytest.fixture(scope="session")
def engines(state_dir: Path, cache_dir: Path) -> Iterator[Engines]:
    with ExitStack() as stack:
        yield Engines(stack, state_dir, cache_dir)


@pytest.fixture(scope="session")
def open_real_engine(engines: Engines) -> Callable[[str], Engine]:
    """Open runc, docker or docker-modern."""
    return engines.open


@pytest.fixture(autouse=True)
def _engines_of_marks(request: pytest.FixtureRequest) -> None:
    for mark in request.node.iter_markers("engine"):
        engines: Engines = request.getfixturevalue("engines")
        engines.open(mark.args[0])
