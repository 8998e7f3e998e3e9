"""Images of a Docker daemon: which it has, and how to get one out."""

from typing import TYPE_CHECKING

from capmin.errors import EngineError, ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from capmin.engines.docker.daemon import Daemon


class NoDaemonError(EngineError):
    """No Docker daemon answers."""


def image_id(name: str, docker_host: str | None) -> str:
    """The daemon's ID of an image.

    Raises:
        NoDaemonError: no daemon answers.
        ImageError: it has none of that name.
    """
    from docker.errors import NotFound  # noqa: PLC0415 - 0.3 s, for those who have a daemon

    from capmin.engines.docker.faults import daemon_faults  # noqa: PLC0415 - as above

    daemon = _daemon(docker_host)
    try:
        with daemon_faults(daemon.address):
            try:
                found = daemon.client.inspect_image(name)  # type: ignore[no-untyped-call] # of the stubs
            except NotFound as error:
                raise ImageError(
                    f"the Docker daemon has no image {name}: docker pull or docker build it first"
                ) from error
        return str(found["Id"])
    finally:
        daemon.client.close()


def save(name: str, docker_host: str | None, archive: "Path") -> None:
    """Write an image of the daemon to a file, as ``docker save`` does.

    Raises:
        EngineError: the daemon stopped in the middle of it.
    """
    from capmin.engines.docker.faults import daemon_faults  # noqa: PLC0415 - as above

    daemon = _daemon(docker_host)
    try:
        with daemon_faults(daemon.address), archive.open("wb") as file:
            for chunk in daemon.client.get_image(name):
                file.write(chunk)
    finally:
        daemon.client.close()


def _daemon(docker_host: str | None) -> "Daemon":
    from capmin.engines.docker.daemon import connect  # noqa: PLC0415 - as above

    try:
        return connect(docker_host)
    except EngineError as error:
        raise NoDaemonError(str(error)) from error
