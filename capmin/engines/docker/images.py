"""Images of a daemon: found by name, pulled, or loaded from what else capmin can read."""

from dataclasses import replace
from typing import Any

from docker.errors import APIError, ImageNotFound
from requests.exceptions import RequestException

from capmin.engines import Image
from capmin.engines.docker.daemon import Daemon
from capmin.engines.docker.faults import daemon_faults, explanation
from capmin.engines.image_config import healthcheck
from capmin.errors import ImageError


def local(daemon: Daemon, name: str) -> Image | None:
    """The daemon's own image of that name or ID; None where it has none."""
    with daemon_faults(daemon.address):
        try:
            document = daemon.client.inspect_image(name)  # type: ignore[no-untyped-call] # of the stubs
        except ImageNotFound:
            return None
        except APIError as error:
            if error.status_code == 400:  # noqa: PLR2004 - Bad Request: the name cannot be one
                raise ImageError(f"{name!r} is not the name of an image: {explanation(error)}") from error
            raise
    return from_document(name, document)


def pulled(daemon: Daemon, name: str) -> Image:
    """The image, fetched from its registry.

    Raises:
        ImageError: there is none of that name, or no registry answers.
    """
    # As docker pull does: without a tag, docker-py would fetch every tag that there is.
    tag = None if ":" in name.rpartition("/")[2] or "@" in name else "latest"
    try:
        daemon.client.pull(name, tag=tag)
    except (APIError, RequestException) as error:
        words = explanation(error) if isinstance(error, APIError) else str(error)
        raise ImageError(
            f"the Docker daemon has no image {name}, and it cannot be pulled: {words}\n"
            "build or `docker load` it first, or name a file or directory (oci:PATH, rootfs.tar)"
        ) from error
    image = local(daemon, name)
    if image is None:
        raise ImageError(
            f"{name} was pulled, and the daemon does not have it: name it with its tag or digest"
        )
    return image


def from_document(reference: str, document: dict[str, Any]) -> Image:
    """An image as ``docker image inspect`` describes it; what it leaves out or says as null is empty.

    Its digest is its ID, as in `capmin.engines.rootfs`: an image is the same on every engine.
    """
    config = document.get("Config") or {}
    return Image(
        reference=reference,
        digest=document["Id"],
        handle=document["Id"],
        entrypoint=tuple(config.get("Entrypoint") or ()),
        cmd=tuple(config.get("Cmd") or ()),
        environment=tuple(config.get("Env") or ()),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        stop_signal=config.get("StopSignal") or "SIGTERM",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or ())),
        healthcheck=healthcheck(config),
    )


def as_named(image: Image, reference: str, digest: str) -> Image:
    """The daemon's image, under the reference and digest of what it was loaded from."""
    return replace(image, reference=reference, digest=digest)
