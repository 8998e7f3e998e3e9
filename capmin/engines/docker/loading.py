"""Images that the daemon does not have: loaded from files, or from what capmin has built and unpacked."""

from pathlib import Path

from capmin.engines import Image
from capmin.engines._locks import workspace
from capmin.engines.docker import images
from capmin.engines.docker.daemon import Daemon, connect
from capmin.engines.docker.faults import daemon_faults
from capmin.engines.image_archive import write_docker_archive
from capmin.engines.image_reference import source_of, with_tag
from capmin.engines.image_source import DaemonImage, LayeredImage
from capmin.engines.rootfs import RootfsCache
from capmin.errors import ImageError

_LOADED = "capmin/loaded"
"""Repository under which the daemon keeps what was loaded, tagged with its digest: loaded once."""


def find(daemon: Daemon, reference: str, cache_dir: Path) -> Image:
    """The image of that name or spelling, known to the daemon from then on.

    A bare name is one that a workload built, else the daemon's own, else a registry's.

    Raises:
        ImageError: there is none, or it cannot be read.
    """
    source = source_of(reference, daemon.address)
    if isinstance(source, DaemonImage):
        image = images.local(daemon, source.name)
        if image is None:
            raise ImageError(f"the Docker daemon has no image {source.name}: docker pull or build it first")
        return image
    if isinstance(source, LayeredImage):
        transport, _, place = source.spelling.partition(":")
        if transport == "docker":
            return _named(daemon, place.removeprefix("//"))
        if transport == "docker-archive":
            return _from_archive(daemon, source)
    if source is not None or _is_built(reference, cache_dir):
        with RootfsCache(cache_dir, daemon.address) as cache:
            return _from_cache(daemon, cache.image(reference), cache_dir)
    return _named(daemon, reference)


def load_named(reference: str, cache_dir: Path) -> None:
    """Have an image in the daemon under its own name, for who starts containers by that.

    Raises:
        ImageError: there is none of that name.
        EngineError: no daemon answers.
    """
    daemon = connect(None)
    try:
        image = find(daemon, reference, cache_dir)
        with daemon_faults(daemon.address):
            repository, _, tag = with_tag(reference).rpartition(":")
            daemon.client.tag(image.handle, repository, tag)
    finally:
        daemon.client.close()


def _named(daemon: Daemon, name: str) -> Image:
    return images.local(daemon, name) or images.pulled(daemon, name)


def _is_built(name: str, cache_dir: Path) -> bool:
    if not (cache_dir / "references").is_dir():
        return False
    with RootfsCache(cache_dir) as cache:
        return any(with_tag(name) in image.references for image in cache.list())


def _from_cache(daemon: Daemon, unpacked: Image, cache_dir: Path) -> Image:
    """Load an unpacked image, flattened to one layer; its configuration is the image's own."""
    tag = unpacked.digest.removeprefix("sha256:")
    loaded = images.local(daemon, unpacked.digest) or images.local(daemon, f"{_LOADED}:{tag}")
    if loaded is None:
        with workspace(cache_dir / "work") as scratch:
            archive = scratch / "image.tar"
            identity = write_docker_archive(unpacked, archive)
            _load(daemon, archive)
        with daemon_faults(daemon.address):
            daemon.client.tag(identity, _LOADED, tag)
        loaded = images.local(daemon, identity)
    if loaded is None:
        raise ImageError(f"{unpacked.reference} was loaded into the Docker daemon, which does not have it")
    return images.as_named(loaded, unpacked.reference, unpacked.digest)


def _from_archive(daemon: Daemon, source: LayeredImage) -> Image:
    """Load what ``docker save`` wrote, layers and all; this needs no root."""
    _, path, name = [*source.spelling.split(":", 2), ""][:3]
    loaded = _load(daemon, Path(path))
    if name:
        found = images.local(daemon, name)
    elif len(loaded) == 1:
        found = images.local(daemon, loaded[0])
    else:
        raise ImageError(f"{path} holds {len(loaded)} images: name one as docker-archive:{path}:NAME:TAG")
    if found is None:
        raise ImageError(f"{path} has no image {name}: it has {', '.join(loaded)}")
    return images.as_named(found, source.reference, found.digest)


def _load(daemon: Daemon, archive: Path) -> list[str]:
    """The names or IDs of what an archive held."""
    names = []
    with daemon_faults(daemon.address), archive.open("rb") as stream:
        for line in daemon.client.load_image(stream):  # type: ignore[no-untyped-call] # of the stubs
            words = str(line.get("stream") or "")
            if words.startswith("Loaded image"):
                names.append(words.partition(": ")[2].strip())
    return names
