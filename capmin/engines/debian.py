"""Images made of Debian packages, with mmdebstrap and no registry.

Images of one suite share their bootstrap, which is an image in the cache too: packages on top of it take
9 s instead of 25 (measured, nginx-light, two cores).
"""

import hashlib
import json
import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from capmin.engines import Image
from capmin.engines._process import run
from capmin.engines.debian_archive import apt_options, archives
from capmin.engines.image_config import DEFAULT_PATH, Document, host_architecture, plain_document
from capmin.engines.image_source import Unpacked
from capmin.engines.rootfs import RootfsCache
from capmin.engines.tree_contents import contents
from capmin.errors import EngineError
from capmin.scenario import Command

Variant = Literal["essential", "minbase", "extract"]
"""mmdebstrap's: ``extract`` unpacks the packages alone and runs none of their scripts, so that an image of
one static program has nothing else, no shell either."""

EPOCH_S = 1700000000
"""Where in time builds take place (SOURCE_DATE_EPOCH): no file is younger."""

_BUILDER = 1
"""Raise it when the same recipe comes out differently: images made before are then built again."""

_LIMIT_S = 1200.0

# Namespaces of its own, which end with the process however that ends: mmdebstrap, killed, leaves /proc,
# /sys and /dev mounted in the tree that it works on.
_CONTAINED = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child")

# As in Debian's own slim images.
_LEFT_OUT = (
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianRecipe:
    """What an image is made of.

    ``files`` is a directory that is copied over the root, owned by root; then ``run`` runs in the image,
    without network. ``configuration`` is the image's, in OCI's spelling. ``origin`` is where the recipe is
    written.
    """

    name: str
    origin: Path | None = None
    suite: str = "bookworm"
    variant: Variant = "essential"
    packages: tuple[str, ...] = ()
    files: Path | None = None
    run: tuple[Command, ...] = ()
    configuration: Document = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The name that its image has in capmin's cache."""
        return f"capmin/{self.name}:latest"


def build(recipe: DebianRecipe, cache: RootfsCache, *, fresh: bool = False) -> Image:
    """The image of a recipe, built unless it was before; ``fresh`` builds again, with today's packages.

    Raises:
        EngineError: mmdebstrap is missing or failed, as it does for a package that does not exist.
    """
    return cache.from_source(_Build(recipe=recipe, cache=cache, fresh=fresh), fresh=fresh)


@dataclass(frozen=True, kw_only=True)
class _Build:
    """A recipe as a source of an unpacked image."""

    recipe: DebianRecipe
    cache: RootfsCache
    fresh: bool

    @property
    def reference(self) -> str:
        return self.recipe.reference

    @property
    def origin(self) -> Path | None:
        return self.recipe.origin

    def stamp(self) -> str:
        """A hash of all that the outcome depends on, Debian's archive apart."""
        recipe = self.recipe
        parts = {
            "builder": [_BUILDER, EPOCH_S, host_architecture(), os.environ.get("CAPMIN_DEBIAN_MIRROR")],
            "debian": [recipe.suite, recipe.variant, sorted(recipe.packages)],
            "files": contents(recipe.files) if recipe.files else None,
            "run": recipe.run,
            "configuration": recipe.configuration,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def identity(self) -> None:
        return None

    def unpack(self, work: Path) -> Unpacked:
        rootfs = work / "rootfs"
        base = self._base()
        if base is None:
            rootfs.mkdir()
            _bootstrap(self.recipe, self.recipe.variant, rootfs)
        else:
            run(["cp", "--archive", "--reflink=auto", base.handle, str(rootfs)])
            if self.recipe.packages:
                _bootstrap(self.recipe, "custom", rootfs)
        _customise(self.recipe, rootfs)
        _settle(rootfs)
        return Unpacked(rootfs=rootfs, document=plain_document(**self.recipe.configuration))

    def _base(self) -> Image | None:
        """The image that others of this suite share; None where this is it, or nothing is to be shared."""
        recipe = self.recipe
        name = f"base-{recipe.suite}-{recipe.variant}"
        if recipe.variant == "extract" or recipe.name == name:
            return None
        base = DebianRecipe(name=name, suite=recipe.suite, variant=recipe.variant)
        return build(base, self.cache, fresh=self.fresh)


def _bootstrap(recipe: DebianRecipe, variant: Variant | Literal["custom"], rootfs: Path) -> None:
    command = [*_CONTAINED, "--mount-proc", "--", "mmdebstrap", f"--variant={variant}", "--mode=root"]
    command += [*_LEFT_OUT, *apt_options()]
    if variant == "custom":
        command.append("--skip=check/empty")
    if recipe.packages:
        command.append(f"--include={','.join(recipe.packages)}")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH_S), "LC_ALL": "C.UTF-8"}
    command += [recipe.suite, str(rootfs), *archives(recipe.suite)]
    done = run(command, limit_s=_LIMIT_S, environment=environment, may_fail=True)
    if done.exit_code != 0:
        # The last word is always "mmdebstrap failed to run"; the first error says why.
        errors = [line for line in done.stderr.splitlines() if line.startswith(("E: ", "unshare: "))]
        raise EngineError(
            f"cannot build {recipe.reference}: {(errors or ['mmdebstrap failed'])[0].removeprefix('E: ')}\n"
            "check its packages and suite, and that Debian's archive (or CAPMIN_DEBIAN_MIRROR) can be reached"
        )


def _customise(recipe: DebianRecipe, rootfs: Path) -> None:
    if recipe.files:
        _overlay(recipe.files, rootfs)
    for command in recipe.run:
        done = run(
            [*_CONTAINED, "--net", f"--root={rootfs}", "--wd=/", "--mount-proc", "--", *command],
            limit_s=_LIMIT_S,
            environment={"PATH": DEFAULT_PATH.removeprefix("PATH="), "HOME": "/root"},
            may_fail=True,
        )
        if done.exit_code != 0:
            words = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise EngineError(
                f"cannot build {recipe.reference}: {shlex.join(command)} ended with {done.exit_code}: {words}"
            )


def _overlay(files: Path, rootfs: Path) -> None:
    """Copy a directory's contents, owned by root, with the modes that git can keep: 755 and 644."""
    for path in sorted(files.rglob("*")):
        target = rootfs / path.relative_to(files)
        if path.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(path.readlink())
        elif path.is_dir():
            target.mkdir(mode=0o755, exist_ok=True)
        else:
            shutil.copyfile(path, target)
            target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
            os.chown(target, 0, 0)


def _settle(rootfs: Path) -> None:
    """Take out what differs between builds: the host's name, device nodes, times after `EPOCH_S`."""
    for name in ("etc/hostname", "etc/resolv.conf"):
        (rootfs / name).unlink(missing_ok=True)
    # Runtimes mount their own /dev, and mmdebstrap wants it empty when this image is another's base.
    shutil.rmtree(rootfs / "dev", ignore_errors=True)
    (rootfs / "dev").mkdir(mode=0o755)
    for folder, directories, names in os.walk(rootfs, topdown=False):
        for name in (*directories, *names):
            path = Path(folder, name)
            seconds = min(int(path.lstat().st_mtime), EPOCH_S)
            os.utime(path, (seconds, seconds), follow_symlinks=False)
    os.utime(rootfs, (EPOCH_S, EPOCH_S))
