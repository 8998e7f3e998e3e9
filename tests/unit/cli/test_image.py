"""``capmin image``: what it says is what the cache holds."""

import json
import os
from pathlib import Path

import pytest

from capmin.cli import main
from capmin.engines.image_source import RootfsTar, Unpacked
from capmin.engines.rootfs import RootfsCache


class _Made(RootfsTar):
    """A source that unpacks to one file, without a program of the host's."""

    def unpack(self, work: Path) -> Unpacked:
        (work / "rootfs").mkdir()
        (work / "rootfs/file").write_bytes(b"x" * 5000)
        return Unpacked(rootfs=work / "rootfs", document={"config": {}}, digest=f"sha256:{'0a' * 32}")


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the one image in the cache comes from."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("CAPMIN_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "made.tar"
    path.touch()
    with RootfsCache(tmp_path / "cache") as cache:
        cache.from_source(_Made(origin=path))
    return path


def test_list(origin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "list"]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["REFERENCE", "DIGEST", "SIZE", "LAST", "USED"]
    assert line.split()[:2] == [f"tar:{origin}", "sha256:0a0a0a0a0a0a"]


def test_list_as_json(origin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "list", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "capmin/images/1"
    (image,) = document["images"]
    assert (image["references"], image["digest"]) == ([f"tar:{origin}"], f"sha256:{'0a' * 32}")
    assert (image["in_use"], image["source_gone"]) == (False, False)
    assert image["size_bytes"] >= 5000


def test_prune(origin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, removed in ([], 0), (["--gone"], 0), (["--all"], 1), (["--all"], 0):
        assert main(["image", "prune", *arguments]) == 0
        out = capsys.readouterr().out
        assert f"{removed} removed, " in out
        assert (f"removed tar:{origin}" in out) == bool(removed)
    assert main(["image", "list"]) == 0
    assert capsys.readouterr().out.startswith("no images in ")


def test_prune_what_is_gone(origin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    origin.unlink()
    assert main(["image", "prune", "--gone", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 1


def test_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CAPMIN_CACHE_DIR", str(tmp_path / "file/cache"))
    assert main(["image", "list"]) == 4
    assert "Not a directory (set CAPMIN_CACHE_DIR)" in capsys.readouterr().err
