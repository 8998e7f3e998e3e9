"""Images of a Docker daemon: which it has, how to get one out, and how to have one built."""

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


def build(file: "Path", name: str, docker_host: str | None, *, fresh: bool) -> None:
    """Have the daemon build a Containerfile with its directory, as ``docker build`` does, under a name.

    Containers of the steps are removed, also of one that fails.

    Raises:
        NoDaemonError: no daemon answers.
        ImageError: a step failed.
    """
    from docker.errors import APIError  # noqa: PLC0415 - as above

    from capmin.engines.docker.faults import daemon_faults, explanation  # noqa: PLC0415 - as above

    daemon = _daemon(docker_host)
    said: list[str] = []
    try:
        with daemon_faults(daemon.address):
            try:
                for line in daemon.client.build(
                    path=str(file.parent), dockerfile=file.name, tag=name, nocache=fresh, rm=True,
                    forcerm=True, decode=True,
                ):  # fmt: skip
                    if "error" in line:
                        raise ImageError(f"cannot build {file}: {' '.join([*said[-1:], line['error']])}")
                    said += str(line.get("stream") or "").strip().splitlines()
            except APIError as error:
                raise ImageError(f"cannot build {file}: {explanation(error)}") from error
    finally:
        daemon.client.close()


def _daemon(docker_host: str | None) -> "Daemon":
    from capmin.engines.docker.daemon import connect  # noqa: PLC0415 - as above

    try:
        return connect(docker_host)
    except EngineError as error:
        raise NoDaemonError(str(error)) from error
