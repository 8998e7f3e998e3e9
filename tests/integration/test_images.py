"""Images without a daemon: whatever an image comes from, the same tree and configuration come out of it.

Laws:
- every source of one image gives the same digest, configuration and tree, to the last attribute;
- an image is unpacked once, however many processes ask; what a killed one left is cleared;
- an image in use is never pruned;
- what cannot be had is refused in one or two lines that name it.
"""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from capmin.engines import Image
from capmin.engines.debian import DebianRecipe, build
from capmin.engines.image_archive import write_docker_archive
from capmin.engines.rootfs import RootfsCache
from capmin.errors import CapminError, EngineError, ImageError
from capmin.workload import build_recipe
from tests.conftest import missing
from tests.integration.trees import Tree, make_rootfs, tree

RECIPES = Path(__file__).parent.parent / "images"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="unpacking images needs root")

_OPEN = """
import sys
from pathlib import Path
from capmin.engines.rootfs import RootfsCache
with RootfsCache(Path(sys.argv[1])) as cache:
    print(cache.image(sys.argv[2]).handle, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[RootfsCache]:
    with RootfsCache(tmp_path / "cache") as opened:
        yield opened
    assert list((tmp_path / "cache/work").glob("[!.]*")) == []


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plain") / "rootfs"
    root.mkdir()
    make_rootfs(root)
    return root


@pytest.fixture(scope="module")
def expected(rootfs: Path) -> Tree:
    return tree(rootfs)


@pytest.fixture(scope="module")
def configured(rootfs: Path) -> Image:
    return Image(
        reference="",
        digest="",
        handle=str(rootfs),
        entrypoint=("/bin/program", "a b"),
        cmd=("--flag",),
        environment=("PATH=/bin", "GREETING=hello = world"),
        user="1000:1001",
        working_dir="/home/app",
        stop_signal="SIGQUIT",
        volumes=("/tmp",),  # noqa: S108 - in the image
        exposed_ports=("80/tcp",),
    )


@pytest.fixture(scope="module")
def archive(configured: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "image.tar"
    write_docker_archive(configured, path)
    return path


@pytest.fixture(scope="module")
def layout(archive: Path) -> Path:
    """An OCI layout with two images."""
    path = archive.parent / "layout"
    for tag in ("one", "two"):
        _skopeo("copy", f"docker-archive:{archive}", f"oci:{path}:{tag}")
    return path


@pytest.fixture(scope="module")
def registry(archive: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _registry(archive, cache_dir, tmp_path_factory.mktemp("registry")) as name:
        yield name


@contextmanager
def _registry(archive: Path, cache_dir: Path, directory: Path) -> Iterator[str]:
    """A real registry on loopback that has the image; gives its name there."""
    with RootfsCache(cache_dir) as images:
        try:
            program = Path(build_recipe(RECIPES / "registry.toml", images).handle) / "usr/bin/docker-registry"
        except EngineError as error:
            missing(str(error))
        server, port = _serving(program, directory)
        try:
            name = f"127.0.0.1:{port}/team/app:1"
            _skopeo("copy", "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{name}")
            yield name
        finally:
            server.kill()
            server.wait()


def _serving(program: Path, directory: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """A registry that listens, and where: another port where somebody was faster to take the free one."""
    settings = directory / "config.yml"
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
        server = subprocess.Popen([program, "serve", settings], stderr=subprocess.DEVNULL)
        while server.poll() is None:
            if _listens(server.pid, port):
                return server, port
            time.sleep(0.05)


def _skopeo(*arguments: str) -> None:
    subprocess.run(["skopeo", "--insecure-policy", *arguments], check=True, capture_output=True)


def _listens(pid: int, port: int) -> bool:
    """Whether it is this process that does: by the inode of the socket (proc(5), /proc/net/tcp)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [words[9] for words in lines if words[1] == f"0100007F:{port:04X}" and words[3] == "0A"]
    held = _descriptors(pid) if listening else set()
    return any(f"socket:[{inode}]" in held for inode in listening)


def _descriptors(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(each.readlink()))
    return found


def _same(image: Image, configured: Image, expected: Tree) -> None:
    assert replace(image, reference="", digest="", handle="") == replace(configured, handle="")
    assert tree(Path(image.handle)) == expected


def test_docker_archive(cache: RootfsCache, archive: Path, configured: Image, expected: Tree) -> None:
    image = cache.image(f"docker-archive:{archive}")
    _same(image, configured, expected)
    with_id = json.loads(
        subprocess.run(["tar", "-xOf", archive, "manifest.json"], capture_output=True, check=True).stdout
    )
    assert f"{image.digest.removeprefix('sha256:')}.json" == with_id[0]["Config"]
    assert cache.image(str(archive)) == image


def test_oci_layout_and_archive(
    cache: RootfsCache, layout: Path, tmp_path: Path, configured: Image, expected: Tree
) -> None:
    image = cache.image(f"oci:{layout}:one")
    _same(image, configured, expected)
    _skopeo("copy", f"oci:{layout}:two", f"oci-archive:{tmp_path}/image.tar")
    again = cache.image(str(tmp_path / "image.tar"))
    assert again.reference == f"oci-archive:{tmp_path}/image.tar"
    _same(again, configured, expected)
    assert (again.digest, again.handle) == (image.digest, image.handle)


def test_layers_in_zstd(cache: RootfsCache, archive: Path, tmp_path: Path, expected: Tree) -> None:
    layout = tmp_path / "layout"
    _skopeo("copy", "--dest-compress-format=zstd", f"docker-archive:{archive}", f"oci:{layout}:zstd")
    assert tree(Path(cache.image(str(layout)).handle)) == expected


def test_registry(
    cache: RootfsCache, archive: Path, registry: str, configured: Image, expected: Tree
) -> None:
    image = cache.image(f"docker://{registry}")
    _same(image, configured, expected)
    assert image.digest == cache.image(f"docker-archive:{archive}").digest
    with pytest.raises(ImageError, match="manifest unknown"):
        cache.image(f"docker://{registry}-gone")


def test_registry_out_of_reach(
    cache: RootfsCache, archive: Path, cache_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _registry(archive, cache_dir, tmp_path) as name:
        image = cache.image(f"docker://{name}")
    assert cache.image(f"docker://{name}") == image
    assert "connection refused: using the copy in the cache" in caplog.text


def test_registry_by_bare_name(tmp_path: Path, registry: str, expected: Tree) -> None:
    with RootfsCache(tmp_path / "cache", docker_host=f"unix://{tmp_path}/none.sock") as cache:
        assert tree(Path(cache.image(registry).handle)) == expected


@pytest.mark.parametrize("compression", ["", "--gzip"])
def test_plain_tar(
    cache: RootfsCache, rootfs: Path, tmp_path: Path, expected: Tree, compression: str
) -> None:
    tar = tmp_path / "rootfs.tar"
    flags = ["--xattrs", "--xattrs-include=*", *([compression] if compression else [])]
    subprocess.run(["tar", *flags, "-cf", tar, "-C", rootfs, "."], check=True)
    image = cache.image(str(tar))
    assert image.reference == f"tar:{tar}"
    assert tree(Path(image.handle)) == expected
    assert image.environment == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    assert image.digest == cache.image(f"dir:{rootfs}").digest


def test_directory_is_used_where_it_is(cache: RootfsCache, tmp_path: Path) -> None:
    root = tmp_path / "rootfs"
    root.mkdir()
    make_rootfs(root)
    before = cache.image(str(root))
    assert before.handle == str(root)
    (root / "etc/new").write_text("changed")
    after = cache.image(f"dir:{root}")
    assert after.digest != before.digest
    assert cache.list() == ()


@pytest.mark.engine("docker")
def test_docker_daemon(archive: Path, tmp_path: Path, configured: Image, expected: Tree) -> None:
    with closing(docker.from_env()) as client:
        loaded = client.images.load(archive.read_bytes())[0]
        name = f"capmin-test-{os.getpid()}:1"
        loaded.tag(name)
        try:
            with RootfsCache(tmp_path / "cache") as cache:
                image = cache.image(name)
                _same(image, configured, expected)
                assert image.reference == f"docker-daemon:{name}"
                with pytest.raises(ImageError, match=r"the Docker daemon has no image capmin-no-such:latest"):
                    cache.image("docker-daemon:capmin-no-such")
        finally:
            client.images.remove(name)


def test_second_time_from_the_cache(
    cache: RootfsCache, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache.image(str(archive))
    monkeypatch.setenv("PATH", "/nowhere")  # so that nothing could be unpacked
    assert cache.image(str(archive)) == first


def test_changed_file_is_unpacked_again(
    cache: RootfsCache, archive: Path, tmp_path: Path, configured: Image
) -> None:
    path = tmp_path / "image.tar"
    shutil.copy(archive, path)
    first = cache.image(str(path))
    write_docker_archive(replace(configured, user="0"), path)
    second = cache.image(str(path))
    assert (first.user, second.user) == ("1000:1001", "0")
    assert first.digest != second.digest


def test_processes_at_once_unpack_once(tmp_path: Path, archive: Path, expected: Tree) -> None:
    root = tmp_path / "cache"
    users = [_user(root, archive) for _ in range(4)]
    handles = {user.stdout.readline().strip() for user in users if user.stdout}
    for user in users:
        user.communicate()
    assert [user.returncode for user in users] == [0] * 4
    assert len(handles) == 1
    assert tree(Path(handles.pop())) == expected
    assert len(list((root / "images").iterdir())) == 1


def test_image_in_use_is_not_pruned(tmp_path: Path, archive: Path) -> None:
    root = tmp_path / "cache"
    user = _user(root, archive)
    assert user.stdout is not None
    handle = Path(user.stdout.readline().strip())
    with RootfsCache(root) as cache:
        assert [image.in_use for image in cache.list()] == [True]
        assert cache.prune() == ()
        assert handle.is_dir()
        user.communicate()
        assert [image.references for image in cache.prune()] == [(f"docker-archive:{archive}",)]
        assert cache.list() == ()
    assert not handle.exists()
    assert list((root / "references").iterdir()) == []


def test_prune_by_age_and_by_source(tmp_path: Path, archive: Path) -> None:
    path = tmp_path / "image.tar"
    shutil.copy(archive, path)
    with RootfsCache(tmp_path / "cache") as cache:
        cache.image(str(path))
    with RootfsCache(tmp_path / "cache") as cache:
        assert cache.prune(unused_for_s=3600) == ()
        assert cache.prune(only_gone=True) == ()
        path.unlink()
        assert len(cache.prune(only_gone=True)) == 1


def test_killed_in_the_middle(tmp_path: Path, archive: Path, expected: Tree) -> None:
    root = _killed_while_unpacking(tmp_path, archive)
    with RootfsCache(root) as cache:
        assert cache.list() == ()
        assert tree(Path(cache.image(str(archive)).handle)) == expected
    # What the killed process had started may have been at work still, at the first sweep.
    with RootfsCache(root):
        assert list((root / "work").glob("[!.]*")) == []


def _killed_while_unpacking(directory: Path, archive: Path) -> Path:
    """A cache that was left so; it takes some where this process was kept from looking in between."""
    for attempt in range(20):
        root = directory / f"cache-{attempt}"
        with _user(root, archive) as victim:
            assert victim.stdout is not None
            while not list(root.glob("work/*/parts")):
                if select.select([victim.stdout], [], [], 0.001)[0]:
                    break
            victim.kill()
        if any((root / "work").glob("*/parts")):
            return root
    pytest.fail("never seen while it unpacks")


def _user(root: Path, archive: Path) -> subprocess.Popen[str]:
    """A process that holds the image until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", _OPEN, str(root), str(archive)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("{tmp}/none.tar", "no image at .*none.tar: there is no such file"),
        ("oci:{layout}", r"has 2 images: name one as oci:.*:TAG, of one, two"),
        ("oci:{layout}:three", "has no image tagged three: it has one, two"),
        ("oci:{tmp}", "is not an OCI layout"),
        ("{tmp}/torn.tar", r"docker-archive:.*torn.tar"),
        ("{tmp}/text.tar", "is neither a tar nor an image"),
        ("tar:{tmp}/text.tar", "cannot unpack .*text.tar: "),
        ("{tmp}/empty", "does not look like a root file system"),
        ("{tmp}/foreign.tar", r"is an image for linux/(arm64|amd64), and this host runs linux/"),
        ("localhost:1/none:1", "no image localhost:1/none:1: no workload built it, no Docker daemon answers"),
    ],
)
def test_refused(  # noqa: PLR0917 - fixtures
    archive: Path, layout: Path, configured: Image, tmp_path: Path, reference: str, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("not a tar\n" * 1000)
    (tmp_path / "torn.tar").write_bytes(archive.read_bytes()[:-20_000])
    _write_foreign(configured, tmp_path)
    with RootfsCache(tmp_path / "cache", docker_host=f"unix://{tmp_path}/none.sock") as cache:
        with pytest.raises(CapminError, match=words) as refused:
            cache.image(reference.format(tmp=tmp_path, layout=layout))
        assert isinstance(refused.value, ImageError)
        assert len(str(refused.value).splitlines()) <= 2
        assert cache.list() == ()
    assert list((tmp_path / "cache/work").glob("[!.]*")) == []


def _write_foreign(configured: Image, directory: Path) -> None:
    """The image as for another architecture."""
    whole, parts = directory / "foreign.tar", directory / "parts"
    write_docker_archive(configured, whole)
    parts.mkdir()
    subprocess.run(["tar", "-xf", whole, "-C", parts], check=True)
    config = next(path for path in parts.glob("*.json") if path.name != "manifest.json")
    text = config.read_text()
    here = json.loads(text)["architecture"]
    config.write_text(text.replace(f'"{here}"', '"arm64"' if here == "amd64" else '"amd64"'))
    subprocess.run(["tar", "-cf", whole, "-C", parts, *(p.name for p in parts.iterdir())], check=True)


@pytest.mark.long
def test_recipes_build_reproducibly(cache: RootfsCache) -> None:
    recipe = DebianRecipe(
        name="test-no-shell", variant="extract", packages=("busybox-static",), configuration={"User": "65534"}
    )
    try:
        first = build(recipe, cache)
    except EngineError as error:
        missing(str(error))
    second = build(recipe, cache, fresh=True)
    assert second == first
    assert second.user == "65534"
    assert (Path(second.handle) / "bin/busybox").exists()
    assert not (Path(second.handle) / "bin/sh").exists()
    assert list((Path(second.handle) / "dev").iterdir()) == []


def test_recipe_of_tools_has_its_file_capability(cache_dir: Path, tmp_path: Path) -> None:
    with RootfsCache(cache_dir) as cache:
        image = build_recipe(RECIPES / "tools.toml", cache)
        assert cache.image("capmin/tools") == image
        write_docker_archive(image, tmp_path / "tools.tar")
    with RootfsCache(tmp_path / "cache") as cache:
        rootfs = Path(cache.image(str(tmp_path / "tools.tar")).handle)
        done = subprocess.run(["getcap", rootfs / "usr/bin/ping"], capture_output=True, text=True, check=True)
        assert done.stdout.strip().endswith("cap_net_raw=ep")


def test_recipe_with_an_unknown_package(cache: RootfsCache) -> None:
    recipe = DebianRecipe(name="test-none", variant="extract", packages=("capmin-no-such-package",))
    with pytest.raises(EngineError, match="cannot build capmin/test-none:latest: Unable to locate package"):
        build(recipe, cache)
    assert cache.list() == ()
