"""A workload's Containerfile is built by whatever can, and its image is searched like any other.

- Docker's daemon of either kind, and podman without one, make the same files, user and command of it.
- Unchanged files are not built again, changed ones are.
- A step that fails is told with its own words; nothing of it is left in the builder.
- Where nothing can build, the error says what would.

No registry is needed: the base is a tar of Debian's static busybox.
"""

import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import APIClient
from docker.errors import ImageNotFound

from capmin.engines import Engine, Image
from capmin.engines._process import run
from capmin.engines.docker import DockerEngine
from capmin.engines.rootfs import RootfsCache
from capmin.errors import EngineError, ImageError
from capmin.workload import load_workload
from tests.conftest import missing
from tests.integration.searching import NOWHERE, Searcher

NAME = "test-containerfile"
CONTAINERFILE = """\
FROM scratch
ADD rootfs.tar /
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN echo made > /made && chmod 600 /made && chown 1000 /made
COPY page.html /srv/page.html
ENV GREETING=hello
USER 1000
CMD ["cat", "/srv/page.html"]
"""
WORKLOAD = f"""\
[image]
containerfile = "image/Containerfile"
name = "{NAME}"

[[scenario]]
test = "grep made /made && grep page /srv/page.html && test $GREETING = hello && test $(id -u) = 1000"
"""
_STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{place}/root"\nrunroot = "{place}/run"\n'


@dataclass(frozen=True, kw_only=True)
class Builder:
    """What builds, by its address in DOCKER_HOST; ``left`` lists what it has."""

    docker_host: str
    left: Callable[[], list[str]]


@pytest.fixture(params=["docker", "docker-modern", "podman"])
def builder(
    request: pytest.FixtureRequest,
    open_real_engine: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Builder]:
    if request.param == "podman":
        if shutil.which("podman") is None:
            missing("podman is missing: .ci/setup-packages podman")
        (tmp_path / "storage.conf").write_text(_STORAGE.format(place=tmp_path))
        monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / "storage.conf"))
        yield Builder(docker_host=NOWHERE, left=_of_podman)
        return
    engine = open_real_engine(request.param)
    assert isinstance(engine, DockerEngine)
    client = APIClient(base_url=engine.address, version="auto")
    try:
        yield Builder(docker_host=engine.address, left=lambda: _of_daemon(client))
    finally:
        with suppress(ImageNotFound):
            client.remove_image(f"capmin/{NAME}", force=True)
        client.close()


def _of_podman() -> list[str]:
    listed = [run(["podman", what, "--all", "--quiet"]).stdout.split() for what in ("images", "ps")]
    return [name for names in listed for name in names]


def _of_daemon(client: APIClient) -> list[str]:
    """Containers in which steps ran; other tests have theirs in the same daemon."""
    steps = ("--install", "echo made", "no such luck")
    return [
        each["Id"] for each in client.containers(all=True) if any(step in each["Command"] for step in steps)
    ]


@pytest.fixture(scope="module")
def base(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory, built: Callable[[str], str]) -> Path:
    tar = tmp_path_factory.mktemp("base") / "rootfs.tar"
    with RootfsCache(cache_dir) as cache, tarfile.open(tar, "w") as archive:
        archive.add(cache.image(built("no-shell")).handle, arcname=".")
    return tar


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    """The workload."""
    image = tmp_path / "workload" / "image"
    image.mkdir(parents=True)
    (image / "Containerfile").write_text(CONTAINERFILE)
    (image / "page.html").write_text("page")
    shutil.copy(base, image / "rootfs.tar")
    (image.parent / "workload.toml").write_text(WORKLOAD)
    return image.parent


@pytest.fixture
def build(
    builder: Builder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Image]:
    """Builds the workload's image, and looks it up in the cache."""

    def image() -> Image:
        monkeypatch.setenv("DOCKER_HOST", builder.docker_host)
        monkeypatch.setenv("CAPMIN_CACHE_DIR", str(tmp_path / "cache"))
        reference = load_workload(folder).build()
        with RootfsCache(tmp_path / "cache", NOWHERE) as cache:
            return cache.image(reference)

    return image


def test_it_is_built_as_it_says(build: Callable[[], Image], builder: Builder, folder: Path) -> None:
    before = builder.left()
    image = build()
    rootfs = Path(image.handle)
    assert (image.reference, image.user, image.cmd) == (
        f"capmin/{NAME}:latest",
        "1000",
        ("cat", "/srv/page.html"),
    )
    assert (rootfs / "made").read_text() == "made\n"
    status = (rootfs / "made").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (1000, 0o600)
    assert build().digest == image.digest
    (folder / "image" / "page.html").write_text("another page")
    changed = build()
    assert changed.digest != image.digest
    assert (Path(changed.handle) / "srv/page.html").read_text() == "another page"
    assert set(builder.left()) <= set(before)


def test_what_has_not_changed_is_not_built(
    build: Callable[[], Image], builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build()
    monkeypatch.setattr("capmin.engines.containerfile.image_daemon.build", _never)
    monkeypatch.setattr("capmin.engines.containerfile._run", _never)
    assert build() == first
    assert builder.docker_host


def test_a_step_that_fails_is_told(build: Callable[[], Image], builder: Builder, folder: Path) -> None:
    before = builder.left()
    with (folder / "image" / "Containerfile").open("a") as file:
        file.write("RUN echo no such luck && exit 7\n")
    with pytest.raises(ImageError, match=r"cannot build .*/image/Containerfile: .*7") as refused:
        build()
    assert len(str(refused.value).splitlines()) == 1
    assert set(builder.left()) <= set(before)


@pytest.mark.engine("runc")
def test_it_is_searched(search: Searcher, folder: Path, open_real_engine: Callable[[str], Engine]) -> None:
    engine = open_real_engine("docker")
    assert isinstance(engine, DockerEngine)
    done = search("--workload", str(folder), "--engine", "runc", "--no-syscalls", docker_host=engine.address)
    assert done.result["capabilities"]["required"] == []
    assert done.result["image"]["reference"] == f"capmin/{NAME}:latest"


def test_without_a_builder_the_error_says_what_would_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.setenv("CAPMIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="neither buildah nor podman is installed: start or install one"):
        load_workload(folder).build()


def _never(*words: object, **others: object) -> None:
    raise AssertionError(words, others)
