"""A launch sees its image as it is, writes beside it, and an image cannot reach the host.

These mount, so they need root.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from capmin.engines.in_root import open_in_root
from capmin.engines.overlay import Overlay, mount_overlay, mount_tmpfs, unmount
from capmin.errors import EngineError

pytestmark = pytest.mark.engine("runc")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "an, odd: name\\"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    root.chmod(0o751)
    os.chown(root, 3, 4)
    return root


@pytest.fixture
def overlay(tmp_path: Path, image: Path) -> Iterator[Overlay]:
    overlay = mount_overlay(tmp_path / "launch", image)
    yield overlay
    unmount(overlay.path)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert not overlay.path.exists()


def test_it_shows_the_image(overlay: Overlay) -> None:
    assert (overlay.root / "etc/passwd").read_text().startswith("root:")
    status = overlay.root.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o751, 3, 4)


def test_the_image_is_not_written(overlay: Overlay, image: Path) -> None:
    (overlay.root / "new").write_text("x")
    (overlay.root / "etc/passwd").unlink()
    assert sorted(path.name for path in image.rglob("*")) == ["etc", "passwd"]


def test_it_holds_what_docker_puts_there(overlay: Overlay) -> None:
    assert (overlay.root / ".dockerenv").stat().st_mode & 0o777 == 0o755
    assert (overlay.root / "etc/mtab").readlink() == Path("/proc/mounts")


@pytest.mark.parametrize("name", ["hosts", "hostname", "resolv.conf", "mtab"])
def test_a_links_target_is_left_alone(tmp_path: Path, image: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("host")
    (image / "etc" / name).symlink_to(outside)
    overlay = mount_overlay(tmp_path / "launch", image)
    try:
        assert outside.read_text() == "host"
        assert name == "mtab" or not (overlay.root / "etc" / name).is_symlink()
    finally:
        unmount(overlay.path)


def test_a_linked_etc_stays_inside(tmp_path: Path) -> None:
    outside, image = tmp_path / "outside", tmp_path / "image"
    for directory in (outside, image, image / "real"):
        directory.mkdir()
    (outside / "hosts").write_text("host")
    (image / "etc").symlink_to("/real")
    overlay = mount_overlay(tmp_path / "launch", image)
    try:
        assert (overlay.root / "real/mtab").is_symlink()
    finally:
        unmount(overlay.path)
    assert (outside / "hosts").read_text() == "host"


def test_a_mount_that_fails_says_where_and_why(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="No such file or directory"):
        mount_tmpfs(tmp_path / "missing")


def test_a_failure_leaves_no_mount(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    (image / "etc").symlink_to("/nowhere")
    with pytest.raises(EngineError, match="/etc"):
        mount_overlay(tmp_path / "launch", image)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_opening_resolves_links_in_the_image(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("inside")
    (tmp_path / "link").symlink_to("/../../target")
    with os.fdopen(open_in_root(tmp_path, "link", os.O_RDONLY)) as file:
        assert file.read() == "inside"


def test_opening_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_in_root(tmp_path, "missing", os.O_RDONLY)
