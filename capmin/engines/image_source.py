"""Where root file systems come from: each kind of source, and how it is unpacked."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from capmin.engines import image_daemon
from capmin.engines._process import Completed, run
from capmin.engines.image_config import Document, check_platform, plain_document
from capmin.errors import EngineError, ImageError

_REGISTRY_LIMIT_S = 60
_COPY_LIMIT_S = 1800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpacked:
    """A root file system with its configuration.

    ``rootfs`` is in the workspace given, or where the user keeps it. ``digest`` is the image's ID, the
    digest of its configuration; None where it came without one.
    """

    rootfs: Path
    document: Document
    digest: str | None = None


class Source(Protocol):
    """Something that an image can be unpacked from.

    ``reference`` is the canonical spelling: one source, one reference. ``origin`` is the file or directory
    without which the source is gone; None where that cannot be told from here.
    """

    @property
    def reference(self) -> str: ...

    @property
    def origin(self) -> Path | None: ...

    def stamp(self) -> str:
        """Changes when the content does, and is quick to get.

        Raises:
            ImageError: there is no such image.
        """
        ...

    def identity(self) -> str | None:
        """The image's digest, where that can be told without unpacking it."""
        ...

    def unpack(self, work: Path) -> Unpacked:
        """Unpack, using ``work`` (an empty directory) for everything.

        Raises:
            ImageError: it cannot be read, or not be run here.
            EngineError: what unpacks it is missing, or the disk is full.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LayeredImage:
    """An image of layers that skopeo reads: ``spelling`` is in the words of containers-transports(5)."""

    spelling: str
    origin: Path | None = None
    named: str | None = None

    @property
    def reference(self) -> str:
        return self.named or self.spelling

    def stamp(self) -> str:
        if self.origin is None:
            return _text_digest(_skopeo("inspect", "--raw", spelling=self.spelling))
        if self.origin.is_dir():
            return _text_digest((self.origin / "index.json").read_text())
        return file_stamp(self.origin)

    def identity(self) -> str:
        # The ID is that of the configuration as stored; what skopeo writes into an OCI layout it may have
        # converted from Docker's format, which changes it. JSON holds no bare carriage return, so that
        # reading the bytes as text loses nothing.
        return _text_digest(self._configuration)

    def unpack(self, work: Path) -> Unpacked:
        document = json.loads(self._configuration)
        check_platform(document, self.reference)
        layout, rootfs = work / "layout", work / "rootfs"
        # umoci 0.4.7 reads layers in gzip only, not in zstd; and skopeo 1.9.3, told to leave layers without
        # compression, labels them as gzip all the same. Level 1 costs less than writing the files out.
        _skopeo(
            "copy",
            "--dest-compress-format=gzip",
            "--dest-compress-level=1",
            spelling=self.spelling,
            destination=f"oci:{layout}:image",
            limit_s=_COPY_LIMIT_S,
        )
        unpack_layout(layout, rootfs, self.reference)
        shutil.rmtree(layout)
        return Unpacked(rootfs=rootfs, document=document, digest=self.identity())

    @cached_property
    def _configuration(self) -> str:
        return _skopeo("inspect", "--config", "--raw", spelling=self.spelling)


@dataclass(frozen=True, kw_only=True)
class DaemonImage:
    """An image that a Docker daemon has."""

    name: str
    docker_host: str | None
    origin: Path | None = None

    @property
    def reference(self) -> str:
        return f"docker-daemon:{self.name}"

    def stamp(self) -> str:
        return image_daemon.image_id(self.name, self.docker_host)

    def identity(self) -> None:
        # The daemon's ID is the configuration's digest in Docker's classic store, and the manifest's in
        # containerd's.
        return None

    def unpack(self, work: Path) -> Unpacked:
        # skopeo's own way to the daemon speaks API 1.22, which new daemons refuse.
        archive = work / "saved.tar"
        image_daemon.save(self.name, self.docker_host, archive)
        saved = LayeredImage(spelling=f"docker-archive:{archive}", origin=archive, named=self.reference)
        unpacked = saved.unpack(work)
        archive.unlink()
        return unpacked


@dataclass(frozen=True, kw_only=True)
class RootfsTar:
    """A tar of a root file system, without a configuration."""

    origin: Path

    @property
    def reference(self) -> str:
        return f"tar:{self.origin}"

    def stamp(self) -> str:
        return file_stamp(self.origin)

    def identity(self) -> None:
        return None

    def unpack(self, work: Path) -> Unpacked:
        rootfs = work / "rootfs"
        rootfs.mkdir()
        extract_tar(self.origin, rootfs)
        _check_looks_like_rootfs(rootfs, self.reference)
        return Unpacked(rootfs=rootfs, document=plain_document())


@dataclass(frozen=True, kw_only=True)
class RootfsDirectory:
    """A root file system in a directory, used where it is: it must not change while capmin runs."""

    origin: Path

    @property
    def reference(self) -> str:
        return f"dir:{self.origin}"

    def stamp(self) -> str:
        if not self.origin.is_dir():
            raise ImageError(f"no directory {self.origin}: dir: takes the directory of a root file system")
        return tree_stamp(self.origin)

    def identity(self) -> None:
        return None

    def unpack(self, work: Path) -> Unpacked:
        del work
        _check_looks_like_rootfs(self.origin, self.reference)
        return Unpacked(rootfs=self.origin, document=plain_document())


def file_stamp(path: Path) -> str:
    """A file's inode, size and time of change.

    Raises:
        ImageError: there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_ctime_ns}"


def tree_stamp(root: Path) -> str:
    """Changes with any file below ``root``; its contents are not read. 4,400 files: 60 ms."""
    digest = hashlib.sha256()
    for path, status in sorted(_walk(root)):
        digest.update(f"{path}\0{status}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def unpack_layout(layout: Path, rootfs: Path, reference: str) -> None:
    """Unpack the image tagged ``image`` of an OCI layout, with owners, modes and extended attributes.

    Raises:
        ImageError: a layer is damaged.
    """
    done = run(
        ["umoci", "raw", "unpack", "--image", f"{layout}:image", str(rootfs)],
        limit_s=_COPY_LIMIT_S,
        may_fail=True,
    )
    if done.exit_code != 0:
        raise _failure(f"cannot unpack {reference}", done)


def extract_tar(tar: Path, directory: Path) -> None:
    """Extract with everything that a root file system needs kept: owners, modes, extended attributes.

    Raises:
        ImageError: it is damaged, or no tar.
    """
    done = run(
        [
            "tar",
            "--extract",
            f"--file={tar}",
            f"--directory={directory}",
            "--numeric-owner",
            "--preserve-permissions",
            "--same-owner",
            "--xattrs",
            "--xattrs-include=*",
        ],
        limit_s=_COPY_LIMIT_S,
        may_fail=True,
    )
    if done.exit_code != 0:
        raise _failure(f"cannot unpack {tar}", done)


def _skopeo(
    *arguments: str, spelling: str, destination: str | None = None, limit_s: float = _REGISTRY_LIMIT_S
) -> str:
    command = ["skopeo", f"--command-timeout={limit_s:.0f}s"]
    if not _has_policy():
        command.append("--insecure-policy")
    command += arguments
    if _is_local_registry(spelling):
        command.append("--src-tls-verify=false" if destination else "--tls-verify=false")
    command.append(spelling)
    if destination:
        command.append(destination)
    done = run(command, limit_s=limit_s + 5, may_fail=True)
    if done.exit_code != 0:
        raise _failure(f"cannot read {spelling}", done)
    return done.stdout


def _has_policy() -> bool:
    """Whether a policy of whose signatures to trust is configured; without any skopeo refuses all images."""
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers/policy.json"
    return user.exists() or Path("/etc/containers/policy.json").exists()


def _is_local_registry(spelling: str) -> bool:
    """Docker, too, does without TLS on the loopback network."""
    return re.match(r"docker://(localhost|127\.[\d.]+|\[::1\])(:\d+)?/", spelling) is not None


def _failure(what: str, done: Completed) -> ImageError | EngineError:
    words = _last_words(done)
    if "no space left on device" in words.lower():
        return EngineError(f"{what}: the disk is full (capmin image prune frees space)")
    return ImageError(f"{what}: {words}")


def _last_words(done: Completed) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
    # skopeo's last line is its log's: time="..." level=fatal msg="..."
    message = re.search(r'msg="((?:[^"\\]|\\.)*)"', lines[-1])
    words = message[1].replace('\\"', '"') if message else lines[-1].strip()
    return re.sub(r'^Error parsing image name "[^"]*": ', "", words)


def _check_looks_like_rootfs(root: Path, reference: str) -> None:
    if not any((root / name).is_dir() for name in ("bin", "usr", "etc", "sbin")):
        raise ImageError(
            f"{reference} does not look like a root file system: none of bin, etc, sbin, usr is at its top"
        )


def _walk(root: Path) -> Iterator[tuple[str, str]]:
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = os.path.join(folder, name)  # noqa: PTH118 - thousands of Paths cost more than the lstat
            status = os.lstat(path)
            mark = f"{status.st_mode}:{status.st_uid}:{status.st_gid}:{status.st_size}:{status.st_ctime_ns}"
            yield path, mark


def _text_digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
