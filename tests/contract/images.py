"""The images of the contract suite: one small one, and others like it with a configuration of their own."""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypedDict, Unpack

from capmin.engines import Image
from capmin.engines.debian import DebianRecipe, build
from capmin.engines.image_archive import write_docker_archive
from capmin.engines.rootfs import RootfsCache
from capmin.scenario import Command

# Busybox for the usual commands, Perl because it makes any system call by number: 29 MB, 5 s to build.
_RECIPE = DebianRecipe(
    name="contract",
    variant="extract",
    packages=("busybox-static", "perl-base"),
    files=Path(__file__).with_name("image"),
)


class Configuration(TypedDict, total=False):
    """What an image may say of how it is to be run."""

    entrypoint: Command
    cmd: Command
    environment: tuple[str, ...]
    user: str
    working_dir: str
    stop_signal: str
    volumes: tuple[str, ...]
    healthcheck: Command


def contract_image(cache: RootfsCache) -> str:
    """Build the image unless it was; gives the reference under which every engine finds it."""
    return build(_RECIPE, cache).reference


def archive(plain: Image, directory: Path, **configuration: Unpack[Configuration]) -> str:
    """An archive as of ``docker save``: an unpacked image, configured otherwise; gives its reference."""
    image = replace(plain, reference="", **configuration)
    key = hashlib.sha256(json.dumps(asdict(image)).encode()).hexdigest()[:16]
    path = directory / f"{key}.tar"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        write_docker_archive(image, fresh)
        fresh.rename(path)
    return f"docker-archive:{path}"
