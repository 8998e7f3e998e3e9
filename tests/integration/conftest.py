"""What searches run on: the images of tests, and a searcher that leaves nothing behind."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capmin.engines import Engine
from capmin.engines.docker import DockerEngine
from capmin.engines.rootfs import RootfsCache
from capmin.errors import EngineError
from capmin.workload import build_recipe
from tests.conftest import missing
from tests.integration.searching import Search, Searcher

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built(cache_dir: Path) -> Callable[[str], str]:
    """Has an image of tests/images, or of workloads, in the cache; gives its reference."""

    def build(name: str) -> str:
        workload = _ROOT / "workloads" / name / "workload.toml"
        recipe = workload if workload.exists() else _ROOT / "tests" / "images" / f"{name}.toml"
        try:
            with RootfsCache(cache_dir) as cache:
                return build_recipe(recipe, cache).reference
        except EngineError as error:
            missing(str(error))

    return build


@contextmanager
def _searching(cache_dir: Path, output: Path) -> Iterator[Searcher]:
    # A short path, as Unix sockets in it need.
    state_dir = Path(tempfile.mkdtemp(prefix="capmin-"))
    searcher = Searcher(state_dir=state_dir, cache_dir=cache_dir, output=output)
    yield searcher
    left = searcher.left_at_last()
    shutil.rmtree(state_dir, ignore_errors=True)
    assert left == []


@pytest.fixture
def search(tmp_path: Path, cache_dir: Path, request: pytest.FixtureRequest) -> Iterator[Searcher]:
    """Searches; after the test nothing of them is left, but what is in their output directory."""
    with _searching(cache_dir, tmp_path / "output") as searcher:
        if "daemon" in request.fixturenames:
            searcher.docker_hosts = (request.getfixturevalue("daemon"),)
        yield searcher


@pytest.fixture(scope="session")
def searched_nginx(
    cache_dir: Path, built: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Search:
    """The nginx workload, searched on runc as users do; for all who look at an answer and at how it came.

    The files of its tests are in tests/scheduling.py, so that it is searched once, in one process.
    """
    built("nginx")
    with _searching(cache_dir, tmp_path_factory.mktemp("nginx") / "output") as search:
        return search("--workload", "workloads/nginx", "--engine", "runc")


@pytest.fixture(params=["docker", "docker-modern"])
def daemon(request: pytest.FixtureRequest, open_real_engine: Callable[[str], Engine]) -> str:
    """A Docker daemon; both kinds, unless the test says which."""
    engine = open_real_engine(request.param)
    assert isinstance(engine, DockerEngine)
    return engine.address
