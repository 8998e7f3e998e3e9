"""References to images, in the spelling of containers-transports(5), and what a bare path or name means."""

import json
import tarfile
from pathlib import Path

from capmin.engines.image_source import DaemonImage, LayeredImage, RootfsDirectory, RootfsTar, Source
from capmin.errors import ImageError

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2")


def source_of(reference: str, docker_host: str | None) -> Source | None:
    """The source that a reference names with its transport or as a path; None for a bare name.

    Raises:
        ImageError: there is nothing at that path, or several images and none of them is named.
    """
    transport, _, rest = reference.partition(":")
    if rest and (source := _from_transport(transport, rest, docker_host)):
        return source
    return _from_path(reference) if _is_path(reference) else None


def with_tag(name: str) -> str:
    """A name with the tag that Docker would add."""
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last or name.startswith("sha256:") else f"{name}:latest"


def _from_transport(transport: str, rest: str, docker_host: str | None) -> Source | None:
    match transport:
        case "docker-daemon":
            return DaemonImage(name=with_tag(rest), docker_host=docker_host)
        case "docker":
            return LayeredImage(spelling=f"docker:{rest}")
        case "oci":
            return _layout(*_path_and_tag(rest))
        case "oci-archive" | "docker-archive":
            return _archive(transport, *_path_and_tag(rest))
        case "dir" | "tar":
            kind = RootfsDirectory if transport == "dir" else RootfsTar
            return kind(origin=_existing(rest))
    return None


def _is_path(reference: str) -> bool:
    """Names have slashes too: a relative path counts only where there is something at it."""
    if reference.startswith(("/", "./", "../", "~")):
        return True
    return ("/" in reference or reference.endswith(_TAR_SUFFIXES)) and Path(reference).exists()


def _from_path(reference: str) -> Source:
    path = _existing(reference)
    if path.is_dir():
        return _layout(path, None) if (path / "oci-layout").exists() else RootfsDirectory(origin=path)
    members = _top_of_tar(path)
    if "manifest.json" in members:
        return _archive("docker-archive", path, None)
    return _archive("oci-archive", path, None) if "oci-layout" in members else RootfsTar(origin=path)


def _top_of_tar(path: Path) -> set[str]:
    """Names at the top of a tar; the search ends at what only a root file system has."""
    names: set[str] = set()
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.removeprefix("./").partition("/")[0]
                names.add(name)
                if name in {"bin", "etc", "usr", "manifest.json"}:
                    break
    except (tarfile.TarError, OSError, EOFError) as error:
        words = str(error).splitlines()[0].rstrip(":")
        raise ImageError(f"{path} is neither a tar nor an image: {words}") from error
    return names


def _layout(path: Path, tag: str | None) -> Source:
    index = path / "index.json"
    try:
        manifests = json.loads(index.read_text())["manifests"]
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(f"{path} is not an OCI layout: cannot read {index.name} ({error})") from error
    tags = [m.get("annotations", {}).get("org.opencontainers.image.ref.name") for m in manifests]
    if tag is not None and tag not in tags:
        raise ImageError(f"{path} has no image tagged {tag}: it has {_listed(tags)}")
    if tag is None and len(manifests) != 1:
        raise ImageError(
            f"{path} has {len(manifests)} images: name one as oci:{path}:TAG, of {_listed(tags)}"
        )
    return LayeredImage(spelling=f"oci:{path}:{tag}" if tag else f"oci:{path}", origin=path)


def _archive(transport: str, path: Path, tag: str | None) -> Source:
    return LayeredImage(spelling=f"{transport}:{path}:{tag}" if tag else f"{transport}:{path}", origin=path)


def _path_and_tag(text: str) -> tuple[Path, str | None]:
    path, _, tag = text.partition(":")
    return _existing(path), tag or None


def _existing(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.exists():
        raise ImageError(f"no image at {text}: there is no such file or directory")
    return path


def _listed(tags: list[str | None]) -> str:
    return ", ".join(sorted(tag for tag in tags if tag)) or "none with a tag"
