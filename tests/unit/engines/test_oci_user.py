"""A user is resolved as Docker resolves it (moby integration/container, runc libcontainer/user)."""

from pathlib import Path

import pytest

from capmin.engines.oci_user import User, resolve_user
from capmin.errors import ImageError

USERS = """\
# a comment
root:x:0:0:root:/root:/bin/sh

broken line
app:x:1000:1000::/home/app:/bin/sh
1000:x:7:7::/:/bin/sh
"""
GROUP = "root:x:0:\ndisk:x:6:root\nweb:x:33:app,other\nstaff:x:50:app\n12:x:90:\n"


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(USERS)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "uid", "gid", "groups"),
    [
        ("", 0, 0, (0, 6)),
        ("root", 0, 0, (0, 6)),
        ("0", 0, 0, (0, 6)),
        ("app", 1000, 1000, (1000, 33, 50)),
        ("app:staff", 1000, 50, (50,)),
        ("app:6", 1000, 6, (6,)),
        ("app:4343", 1000, 4343, (4343,)),
        ("app:12", 1000, 90, (90,)),
        ("1000", 1000, 1000, (1000, 33, 50)),
        ("4242", 4242, 0, (0,)),
        ("4242:4343", 4242, 4343, (4343,)),
        (":staff", 0, 50, (50,)),
    ],
)
def test_as_docker_does(rootfs: Path, text: str, uid: int, gid: int, groups: tuple[int, ...]) -> None:
    assert resolve_user(text, rootfs) == User(uid=uid, gid=gid, groups=groups)


@pytest.mark.parametrize("text", ["nobody", "app:nogroup", "2147483648", "1:2147483648"])
def test_what_is_not_there_is_an_error(rootfs: Path, text: str) -> None:
    with pytest.raises(ImageError):
        resolve_user(text, rootfs)


def test_numbers_need_no_files(tmp_path: Path) -> None:
    assert resolve_user("5:6", tmp_path) == User(uid=5, gid=6, groups=(6,))


def test_links_stay_inside_the_image(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("evil:x:5:5:::\n")
    rootfs = tmp_path / "rootfs"
    (rootfs / "etc").mkdir(parents=True)
    (rootfs / "etc/passwd").symlink_to(outside)
    with pytest.raises(ImageError):
        resolve_user("evil", rootfs)


def test_links_inside_the_image_are_followed(rootfs: Path) -> None:
    (rootfs / "etc/passwd").rename(rootfs / "real")
    (rootfs / "etc/passwd").symlink_to("/real")
    assert resolve_user("app", rootfs).uid == 1000
