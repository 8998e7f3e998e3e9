"""Image configurations: read as Docker reads them, and the same after a round through an archive."""

import platform
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.engines import Image
from capmin.engines.image_config import (
    check_platform,
    document_from_image,
    host_architecture,
    image_from_document,
    plain_document,
)
from capmin.errors import ImageError

_words = st.lists(st.text(min_size=1)).map(tuple)
_names = st.lists(st.text(min_size=1), unique=True).map(lambda names: tuple(sorted(names)))


@given(
    st.builds(
        Image,
        reference=st.just(""),
        digest=st.just(""),
        handle=st.just(""),
        entrypoint=_words,
        cmd=_words,
        environment=_words,
        user=st.text(),
        working_dir=st.text(),
        stop_signal=st.sampled_from(["SIGTERM", "SIGQUIT", "3"]),
        volumes=_names,
        exposed_ports=_names,
    )
)
def test_round(image: Image) -> None:
    assert image_from_document("", "", "", document_from_image(image, "sha256:00")) == image


@pytest.mark.parametrize("config", [None, {}, {"Cmd": None, "Env": None, "Volumes": None, "User": None}])
def test_absent_and_null_are_the_same(config: dict[str, Any] | None) -> None:
    image = image_from_document("r", "d", "h", {"config": config})
    assert image == Image(reference="r", digest="d", handle="h")


def test_plain_document_has_a_path() -> None:
    assert image_from_document("", "", "", plain_document(Env=["A=1"])).environment[1:] == ("A=1",)
    assert image_from_document("", "", "", plain_document(Env=["PATH=/x"])).environment == ("PATH=/x",)


def test_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert host_architecture() == "amd64"
    for document in ({}, {"architecture": "amd64", "os": "linux"}, {"architecture": "386"}):
        check_platform(document, "a")
    for document in ({"architecture": "arm64"}, {"os": "windows", "architecture": "amd64"}):
        with pytest.raises(ImageError, match=r"a is an image for .*, and this host runs linux/amd64"):
            check_platform(document, "a")
