"""References: what each spelling means, and what a bare path or name is taken for."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from capmin.engines.image_reference import source_of, with_tag
from capmin.engines.image_source import DaemonImage, LayeredImage, RootfsDirectory, RootfsTar, Source
from capmin.errors import ImageError


def _source(reference: str) -> Source | None:
    return source_of(reference, None)


def _tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def _layout(path: Path, *tags: str) -> Path:
    path.mkdir()
    (path / "oci-layout").write_text("{}")
    manifests = [{"annotations": {"org.opencontainers.image.ref.name": tag}} for tag in tags]
    (path / "index.json").write_text(json.dumps({"manifests": manifests}))
    return path


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "nginx:latest"),
        ("nginx:1", "nginx:1"),
        ("localhost:5000/nginx", "localhost:5000/nginx:latest"),
        ("localhost:5000/team/nginx:1", "localhost:5000/team/nginx:1"),
        ("nginx@sha256:00", "nginx@sha256:00"),
        ("sha256:00", "sha256:00"),
    ],
)
def test_tag(name: str, full: str) -> None:
    assert with_tag(name) == full


@pytest.mark.parametrize("name", ["nginx", "nginx:1", "team/nginx", "localhost:5000/nginx:1", "capmin/nginx"])
def test_bare_names(name: str) -> None:
    assert _source(name) is None


def test_a_folder_does_not_hide_an_image_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _source("nginx") is None
    assert _source("./nginx") == RootfsDirectory(origin=tmp_path / "nginx")


def test_daemon_and_registry() -> None:
    assert source_of("docker-daemon:a", "unix:///x") == DaemonImage(name="a:latest", docker_host="unix:///x")
    assert _source("docker://a:1") == LayeredImage(spelling="docker://a:1")


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_archives(tmp_path: Path, transport: str) -> None:
    tar = _tar(tmp_path / "a.tar")
    for suffix in ("", ":name:1"):
        assert _source(f"{transport}:{tar}{suffix}") == LayeredImage(
            spelling=f"{transport}:{tar}{suffix}", origin=tar
        )


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("oci-layout", "index.json", "blobs/sha256/00"), "oci-archive"),
        # Docker 25 and later write both.
        (("blobs/sha256/00", "index.json", "oci-layout", "manifest.json"), "docker-archive"),
        (("./", "./bin", "./etc/passwd"), "tar"),
        (("usr/bin/true",), "tar"),
    ],
)
def test_tars_are_recognised(tmp_path: Path, names: tuple[str, ...], kind: str) -> None:
    tar = _tar(tmp_path / "a.tar", *names)
    found = _source(str(tar))
    assert found is not None
    assert found.reference == f"{kind}:{tar}"
    assert found == (RootfsTar(origin=tar) if kind == "tar" else _source(f"{kind}:{tar}"))


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tar(tmp_path / "a.tar", "usr/bin/true")
    monkeypatch.chdir(tmp_path)
    for reference in ("a.tar", "./a.tar", "tar:a.tar"):
        assert _source(reference) == RootfsTar(origin=tmp_path / "a.tar")


def test_layouts(tmp_path: Path) -> None:
    one, two = _layout(tmp_path / "one", "1"), _layout(tmp_path / "two", "a", "b")
    assert _source(str(one)) == LayeredImage(spelling=f"oci:{one}", origin=one)
    assert _source(f"oci:{two}:b") == LayeredImage(spelling=f"oci:{two}:b", origin=two)
    with pytest.raises(ImageError, match=r"has 2 images: name one as oci:.*, of a, b"):
        _source(str(two))
    with pytest.raises(ImageError, match=r"has no image tagged c: it has a, b"):
        _source(f"oci:{two}:c")


@pytest.mark.parametrize("reference", ["./none", "/none", "tar:none.tar", "dir:none", "oci:none:1"])
def test_nothing_there(reference: str) -> None:
    with pytest.raises(ImageError, match=r"no image at .*none"):
        _source(reference)
