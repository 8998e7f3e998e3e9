"""What the contract suite launches with: each real engine in turn, and nothing left after each test."""

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import pytest

from capmin.engines import Engine, Exit, Image, LaunchSpec
from capmin.engines.rootfs import RootfsCache
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.trial import Attempt, End, Granted
from tests.conftest import Engines, missing
from tests.contract.images import Configuration, archive, contract_image
from tests.contract.remains import remains

NAMES = ("runc", "docker", "docker-modern")
USUAL = Grant(capabilities=DOCKER_DEFAULT)
LIMIT_S = 30.0
"""Far longer than any launch here takes: reaching it is a failure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A launch that is over."""

    exit: Exit
    output: str
    attempts: tuple[Attempt, ...] | None
    ends: tuple[End, ...]
    granted: Granted | None


class Bench:
    """An engine with the suite's image on it."""

    def __init__(self, engine: Engine, plain: Image, cache_dir: Path) -> None:
        self.engine = engine
        self.image = engine.image(plain.reference)
        self._plain = plain
        self._archives = cache_dir / "contract"
        self.configured = cache(self._configured)

    def _configured(self, **configuration: Unpack[Configuration]) -> Image:
        """The same image, configured otherwise."""
        return self.engine.image(archive(self._plain, self._archives, **configuration))

    def spec(self, *argv: str, image: Image | None = None, **rest: Any) -> LaunchSpec:  # noqa: ANN401 - LaunchSpec's
        return LaunchSpec(
            image=image or self.image, argv=argv or None, **{"denied_errno": errno.EPERM, **rest}
        )

    def run(self, *argv: str, grant: Grant = USUAL, **rest: Any) -> Ended:  # noqa: ANN401 - as above
        """Launch and wait for the end."""
        with self.engine.start(self.spec(*argv, **rest), grant) as container:
            ended = container.wait(LIMIT_S)
            assert ended is not None
            return Ended(
                exit=ended,
                output=container.output(),
                attempts=container.attempts(),
                ends=container.ends(),
                granted=container.granted(),
            )

    def output(self, *argv: str, grant: Grant = USUAL, **rest: Any) -> str:  # noqa: ANN401 - as above
        """What a command that succeeds wrote."""
        ended = self.run(*argv, grant=grant, **rest)
        assert ended.exit == Exit(code=0), ended.output
        return ended.output.rstrip("\n")


@pytest.fixture(scope="session")
def plain_image(cache_dir: Path) -> Iterator[Image]:
    """The suite's image, unpacked."""
    try:
        with RootfsCache(cache_dir) as cache:
            yield cache.image(contract_image(cache))
    except EngineError as error:
        missing(str(error))


@pytest.fixture(scope="session")
def benches(engines: Engines, plain_image: Image, cache_dir: Path) -> Callable[[str], Bench]:
    return cache(lambda name: Bench(engines.open(name), plain_image, cache_dir))


@pytest.fixture(params=NAMES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(engine_name: str, benches: Callable[[str], Bench], engines: Engines) -> Iterator[Bench]:
    """An engine; after the test, nothing is left of its launches."""
    bench = benches(engine_name)
    before = remains(engines.options(engine_name))
    yield bench
    assert remains(engines.options(engine_name)) - before == frozenset()


@pytest.fixture
def observing(bench: Bench) -> Bench:
    """One of the engines that observe system calls; for tests marked with `on_observing_engines`."""
    if not bench.engine.observes_syscalls:
        missing(f"{bench.engine.name} {bench.engine.version} does not observe system calls here")
    return bench


on_observing_engines = pytest.mark.parametrize("engine_name", ["runc", "docker-modern"])
"""Docker before 23, which the other daemon is as a rule, drops listenerPath."""
