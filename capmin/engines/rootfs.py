"""Unpacked images, cached by digest: what launches without a daemon start from.

The cache's directory holds::

    images/HEX/image.json   digest, configuration, size
    images/HEX/rootfs/      the unpacked root file system; only read from then on
    references/HEX.json     a reference, the digest that it led to, and the source's stamp then
    locks/HEX               held while the source of that reference is being unpacked
    work/                   what is being unpacked; moved into place in one step when it is complete

An image in use is locked (shared) through its directory, so that no other process prunes it. Several
processes may share a cache.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from capmin.engines import Image
from capmin.engines._locks import claim, exclusive, share, sweep, workspace
from capmin.engines.image_archive import image_id, pack
from capmin.engines.image_config import image_from_document
from capmin.engines.image_daemon import NoDaemonError
from capmin.engines.image_reference import source_of, with_tag
from capmin.engines.image_source import DaemonImage, LayeredImage, RootfsDirectory, Source, Unpacked
from capmin.errors import EngineError, ImageError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedImage:
    """An image in the cache, as `RootfsCache.list` tells it.

    ``last_used_s`` is in seconds since the epoch; ``gone`` is whether every file it was unpacked from is,
    or what it was unpacked from has changed since.
    """

    digest: str
    references: tuple[str, ...]
    size_bytes: int
    last_used_s: float
    in_use: bool
    gone: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What a reference led to, and the stamp of its source then."""

    reference: str
    digest: str
    stamp: str
    origin: str | None


class RootfsCache:
    """Images unpacked once; those handed out stay locked until `close`, or the end of the ``with`` block.

    Raises:
        EngineError: the process is not root, which owners and extended attributes need; or the directory
            cannot be written.
    """

    def __init__(self, cache_dir: Path, docker_host: str | None = None) -> None:
        self._root = cache_dir
        self._docker_host = docker_host
        self._held: dict[str, int] = {}
        try:
            for name in ("images", "references", "locks", "work"):
                (cache_dir / name).mkdir(parents=True, exist_ok=True)
            sweep(cache_dir / "work")
        except OSError as error:
            raise EngineError(
                f"cannot write the image cache {cache_dir}: {error.strerror} (set CAPMIN_CACHE_DIR)"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the images handed out."""
        while self._held:
            os.close(self._held.popitem()[1])

    def image(self, reference: str) -> Image:
        """Find an image and unpack it, unless that was done before.

        References are spelled as in containers-transports(5): ``docker-daemon:NAME``,
        ``docker-archive:FILE``, ``oci:DIRECTORY[:TAG]``, ``oci-archive:FILE``, ``docker://NAME``; also
        ``dir:DIRECTORY`` and ``tar:FILE`` for a root file system alone. A path is recognised by what is at
        it. A bare name is one that a workload built, else one of the Docker daemon, else a registry's.

        Raises:
            ImageError: there is none, it is damaged, or it is not for this host.
            EngineError: what unpacks it is missing, or the disk is full.
        """
        source = source_of(reference, self._docker_host)
        if source is not None:
            return self.from_source(source)
        return self._built(reference) or self._by_name(reference)

    def from_source(self, source: Source, *, fresh: bool = False) -> Image:
        """As `image`, for a source known already; ``fresh`` unpacks it again whatever its stamp says."""
        key = _key(source.reference)
        with exclusive(self._root / "locks" / key):
            known = self._known(key)
            stamp = self._stamp(source, known)
            digest = known.digest if known and known.stamp == stamp and not fresh else None
            if isinstance(source, RootfsDirectory):
                image = self._in_place(source, digest)
            else:
                image = self._take(digest) or self._take(source.identity()) or self._unpack(source)
            origin = str(source.origin) if source.origin else None
            self._remember(
                _Known(reference=source.reference, digest=image.digest, stamp=stamp, origin=origin)
            )
        return replace(image, reference=source.reference)

    def list(self) -> tuple[CachedImage, ...]:
        """Every image in the cache, the one used last first."""
        known = [self._known(path.stem) for path in (self._root / "references").glob("*.json")]
        present = [entry for entry in known if entry is not None]
        images = [self._listed(path, present) for path in (self._root / "images").iterdir()]
        return tuple(sorted((i for i in images if i is not None), key=lambda i: i.last_used_s, reverse=True))

    def prune(self, *, unused_for_s: float = 0.0, only_gone: bool = False) -> tuple[CachedImage, ...]:
        """Remove images that have not been used for so long; gives those removed.

        Never one in use by any process. ``only_gone`` removes those whose files are gone, or to which no
        reference leads any more, and no others.
        """
        before_s = time.time() - unused_for_s
        chosen = [i for i in self.list() if i.last_used_s <= before_s and (i.gone or not only_gone)]
        return tuple(image for image in chosen if self._remove(image))

    def _built(self, name: str) -> Image | None:
        """An image that a workload built, under the name that it was given."""
        known = self._known(_key(with_tag(name)))
        image = self._take(known.digest) if known else None
        return image and replace(image, reference=with_tag(name))

    def _by_name(self, name: str) -> Image:
        daemons = DaemonImage(name=with_tag(name), docker_host=self._docker_host)
        try:
            daemons.stamp()
        except NoDaemonError:
            daemon_says = "no Docker daemon answers"
        except ImageError:
            daemon_says = "the Docker daemon has none"
        else:
            return self.from_source(daemons)
        try:
            return self.from_source(LayeredImage(spelling=f"docker://{name}"))
        except ImageError as error:
            words = str(error).partition(f"docker://{name}: ")[2] or str(error)
            raise ImageError(
                f"no image {name}: no workload built it, {daemon_says}, and its registry: {words}\n"
                "give one as docker-archive:FILE (docker save), oci:DIRECTORY, or a root file system's path"
            ) from error

    def _take(self, digest: str | None) -> Image | None:
        """Lock an image of the cache for as long as this object lives; None where it is not there."""
        if digest is None:
            return None
        directory = self._directory(digest)
        if digest not in self._held:
            descriptor = share(directory)
            if descriptor is None:
                return None
            self._held[digest] = descriptor
        record = directory / "image.json"
        os.utime(record)
        document = json.loads(record.read_text())["configuration"]
        return image_from_document("", digest, str(directory / "rootfs"), document)

    def _stamp(self, source: Source, known: _Known | None) -> str:
        """The source's stamp; of a registry that cannot be asked, the one that it had last."""
        try:
            return source.stamp()
        except ImageError as error:
            registry = isinstance(source, LayeredImage) and source.origin is None
            if not registry or known is None or self._take(known.digest) is None:
                raise
            _log.warning("%s: using the copy in the cache", error)
            return known.stamp

    def _in_place(self, source: RootfsDirectory, digest: str | None) -> Image:
        """A directory of the user's: nothing of it is copied, only what it is called is remembered."""
        with workspace(self._root / "work") as work:
            unpacked = source.unpack(work)
            digest = digest or _digest_by_content(unpacked, work)
        return image_from_document("", digest, str(source.origin), unpacked.document)

    def _unpack(self, source: Source) -> Image:
        if os.geteuid() != 0:
            raise EngineError(
                "unpacking an image keeps its owners and needs root: run as root, or use --engine docker"
            )
        _log.info("unpacking %s", source.reference)
        with workspace(self._root / "work") as work:
            parts = work / "parts"
            parts.mkdir()
            unpacked = source.unpack(parts)
            digest = unpacked.digest or _digest_by_content(unpacked, work)
            self._put(unpacked, digest, work / "image")
        image = self._take(digest)
        if image is None:
            raise EngineError(f"{source.reference} was removed from the cache while it was being unpacked")
        return image

    def _put(self, unpacked: Unpacked, digest: str, complete: Path) -> None:
        """Assemble the image's directory and move it to its place, unless another process was quicker."""
        complete.mkdir()
        unpacked.rootfs.rename(complete / "rootfs")
        record = {
            "digest": digest,
            "size_bytes": _disk_usage_bytes(complete),
            "configuration": unpacked.document,
        }
        (complete / "image.json").write_text(json.dumps(record, indent=1))
        try:
            complete.rename(self._directory(digest))
        except OSError:
            if not self._directory(digest).is_dir():
                raise

    def _directory(self, digest: str) -> Path:
        return self._root / "images" / digest.removeprefix("sha256:")

    def _known(self, key: str) -> _Known | None:
        try:
            return _Known(**json.loads((self._root / "references" / f"{key}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _remember(self, known: _Known) -> None:
        path = self._root / "references" / f"{_key(known.reference)}.json"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(asdict(known)))
        fresh.rename(path)

    def _listed(self, directory: Path, known: Iterable[_Known]) -> CachedImage | None:
        try:
            record: dict[str, Any] = json.loads((directory / "image.json").read_text())
            last_used_s = (directory / "image.json").stat().st_mtime
        except FileNotFoundError:
            return None
        sources = [entry for entry in known if entry.digest == record["digest"]]
        free = claim(directory)
        if free is not None:
            os.close(free)
        return CachedImage(
            digest=record["digest"],
            references=tuple(sorted(entry.reference for entry in sources)),
            size_bytes=record["size_bytes"],
            last_used_s=last_used_s,
            in_use=free is None,
            gone=all(entry.origin is not None and not Path(entry.origin).exists() for entry in sources),
        )

    def _remove(self, image: CachedImage) -> bool:
        directory = self._directory(image.digest)
        descriptor = claim(directory)
        if descriptor is None:
            return False
        try:
            with workspace(self._root / "work") as work:
                directory.rename(work / "removed")
        finally:
            os.close(descriptor)
        for reference in image.references:
            (self._root / "references" / f"{_key(reference)}.json").unlink(missing_ok=True)
        return True


def _digest_by_content(unpacked: Unpacked, work: Path) -> str:
    """The ID that Docker would give it: that of a one-layer image of this tree and configuration."""
    tar = work / "layer.tar"
    try:
        diff_id = pack(unpacked.rootfs, tar)
    finally:
        tar.unlink(missing_ok=True)
    return image_id(image_from_document("", "", "", unpacked.document), diff_id)


def _disk_usage_bytes(root: Path) -> int:
    """Blocks in use below a directory; a file with several names counts once."""
    seen = {}
    for folder, _, files in os.walk(root):
        for name in files:
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - thousands of files
            seen[status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def _key(reference: str) -> str:
    """A file name for a reference, which may be longer than file names can be."""
    return hashlib.sha256(reference.encode()).hexdigest()
