"""Images of a Docker daemon: which it has, and how to get one out."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from capmin.errors import EngineError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

_LIMIT_S = 600
"""How long the daemon may be silent: a large image takes its time before the first byte is sent."""


class NoDaemonError(EngineError):
    """No Docker daemon answers."""


def image_id(name: str, docker_host: str | None) -> str:
    """The daemon's ID of an image.

    Raises:
        NoDaemonError: no daemon answers.
        ImageError: it has none of that name.
    """
    from docker.errors import ImageNotFound  # noqa: PLC0415 - 150 ms, for those who have a daemon

    with _client(docker_host) as client:
        try:
            return str(client.images.get(name).id)
        except ImageNotFound as error:
            raise ImageError(
                f"the Docker daemon has no image {name}: docker pull or docker build it first"
            ) from error


def save(name: str, docker_host: str | None, archive: Path) -> None:
    """Write an image of the daemon to a file, as ``docker save`` does.

    Raises:
        EngineError: the daemon stopped in the middle of it.
    """
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from requests import RequestException  # noqa: PLC0415 - as above

    with _client(docker_host) as client, archive.open("wb") as file:
        try:
            for chunk in client.images.get(name).save():
                file.write(chunk)
        except (DockerException, RequestException) as error:
            raise EngineError(f"the Docker daemon could not save {name}: {error}") from error


@contextmanager
def _client(docker_host: str | None) -> "Iterator[DockerClient]":
    import docker  # noqa: PLC0415 - as above
    from docker.errors import DockerException  # noqa: PLC0415 - as above

    where = docker_host or "DOCKER_HOST or the default socket"
    try:
        client = (
            docker.DockerClient(base_url=docker_host, timeout=_LIMIT_S)
            if docker_host
            else docker.from_env(timeout=_LIMIT_S)
        )
    except DockerException as error:
        raise NoDaemonError(f"no Docker daemon at {where}: {error}") from error
    try:
        try:
            client.ping()
        except (DockerException, OSError) as error:
            raise NoDaemonError(f"no Docker daemon answers at {where}") from error
        yield client
    finally:
        client.close()
