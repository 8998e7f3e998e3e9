"""Images built from a Containerfile: by the Docker daemon, else by buildah or podman."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from capmin.engines import image_daemon
from capmin.engines._process import Completed, run
from capmin.engines.image_config import host_architecture
from capmin.engines.image_daemon import NoDaemonError
from capmin.engines.image_source import DaemonImage, LayeredImage, Unpacked
from capmin.engines.rootfs import RootfsCache
from capmin.engines.tree_contents import contents
from capmin.errors import EngineError, ImageError

_LIMIT_S = 3600.0
_BUILDERS = ("buildah", "podman")


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerfileRecipe:
    """A Containerfile, built with the directory that it is in; ``origin`` is where the recipe is written."""

    name: str
    file: Path
    origin: Path | None = None

    @property
    def reference(self) -> str:
        """The name that its image has in capmin's cache, and in the daemon that built it."""
        return f"capmin/{self.name}:latest"


def build(recipe: ContainerfileRecipe, cache_dir: Path, *, fresh: bool = False) -> None:
    """Build the image, unless it was before from the same files; ``fresh`` builds every step again.

    Without root, who alone can unpack images, it is built in the daemon only, for the docker engine.

    Raises:
        ImageError: a step failed.
        EngineError: nothing that can build is there.
    """
    if os.geteuid() != 0:
        image_daemon.build(recipe.file, recipe.reference, None, fresh=fresh)
        return
    with RootfsCache(cache_dir) as cache:
        cache.from_source(_Build(recipe=recipe, fresh=fresh), fresh=fresh)


@dataclass(frozen=True, kw_only=True)
class _Build:
    """A recipe as a source of an unpacked image."""

    recipe: ContainerfileRecipe
    fresh: bool

    @property
    def reference(self) -> str:
        return self.recipe.reference

    @property
    def origin(self) -> Path | None:
        return self.recipe.origin

    def stamp(self) -> str:
        """A hash of the directory that is built from; what the file takes from elsewhere is not in it."""
        file = self.recipe.file
        parts = [host_architecture(), file.name, contents(file.parent)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def identity(self) -> None:
        return None

    def unpack(self, work: Path) -> Unpacked:
        recipe = self.recipe
        try:
            image_daemon.build(recipe.file, recipe.reference, None, fresh=self.fresh)
        except NoDaemonError as error:
            return _without_daemon(recipe, work, _builder(recipe, error), fresh=self.fresh)
        return DaemonImage(name=recipe.reference, docker_host=None).unpack(work)


def _builder(recipe: ContainerfileRecipe, error: NoDaemonError) -> str:
    found = next(filter(shutil.which, _BUILDERS), None)
    if found is None:
        raise EngineError(
            f"cannot build {recipe.file}: no Docker daemon answers, and neither buildah nor podman is "
            "installed: start or install one of them"
        ) from error
    return found


def _without_daemon(recipe: ContainerfileRecipe, work: Path, program: str, *, fresh: bool) -> Unpacked:
    """Build, write the image to a file, and take it out of the program's own storage again.

    In chroot isolation, which needs no runtime: RUN then works where crun refuses the host's control groups.
    No layers are kept there, as nobody would remove them.
    """
    named, archive = work / "image-id", work / "image.tar"
    command = [program, "build", "--isolation=chroot", "--format=docker", "--layers=false"]
    command += [*(["--no-cache"] if fresh else []), f"--iidfile={named}", f"--file={recipe.file}"]
    _run([*command, str(recipe.file.parent)], recipe)
    identity = named.read_text().strip().removeprefix("sha256:")
    try:
        _run([program, "push", "--quiet", identity, f"docker-archive:{archive}"], recipe)
    finally:
        run([program, "rmi", identity], may_fail=True)
    saved = LayeredImage(spelling=f"docker-archive:{archive}", origin=archive, named=recipe.reference)
    unpacked = saved.unpack(work)
    archive.unlink()
    return unpacked


def _run(command: Sequence[str], recipe: ContainerfileRecipe) -> None:
    done = run(command, limit_s=_LIMIT_S, may_fail=True)
    if done.exit_code != 0:
        raise ImageError(f"cannot build {recipe.file}: {' '.join(_said(done)) or 'no reason given'}")


def _said(done: Completed) -> Iterator[str]:
    """The last lines that say something: the failed step's own, and the builder's."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    yield from lines[-2:]
