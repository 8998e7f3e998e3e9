"""Telling a broken daemon from a container that cannot start with what it was granted."""

from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from capmin.errors import EngineError, ImageError

_RUNTIME_WORDS = (
    "OCI runtime",
    "unable to start container process",
    # What the daemon says when the runtime's init died of its own filter.
    "cannot start a stopped process",
    "error closing exec fds",
    # A sidecar's service ended in the moment before.
    "cannot join network of a non running container",
)
"""A message at start that holds one of these is about this container, and not about the daemon."""

_HOST_WORDS = (
    "no space left on device",
    "too many open files",
    "cannot allocate memory",
    "input/output error",
    "seccomp agent",  # the runtime cannot reach our listener
    "unable to init seccomp",  # the document is wrong, not what it grants
    "unable to apply cgroup configuration",
)
"""The runtime speaks, but of its host or of capmin: nothing may be judged from it."""


_IMAGE_WORDS = ("unable to find user", "unable to find group", "no command specified")
"""The image's configuration cannot be followed, whatever is granted."""


class DaemonFault(EngineError):
    """The daemon did not do its part; it may do better in a moment."""


def refusal(error: APIError) -> str | None:
    """The runtime's words where it could not start a container with its grant; None for any other error."""
    words = explanation(error)
    if any(word in words for word in _RUNTIME_WORDS) and not any(word in words for word in _HOST_WORDS):
        return words
    return None


def explanation(error: APIError) -> str:
    """What the daemon said, without docker-py's frame around it."""
    return str(error.explanation or error).strip()


@contextmanager
def daemon_faults(address: str) -> Iterator[None]:
    """Turn every error of docker-py in the block into an `EngineError`, a `DaemonFault` where it may pass."""
    try:
        yield
    except APIError as error:
        words = explanation(error)
        if any(word in words.lower() for word in _IMAGE_WORDS):
            raise ImageError(f"the image cannot be launched: {words}") from error
        message = f"the Docker daemon at {address} failed: {words}"
        # What it calls our own mistake is one when it is repeated, too.
        raise (EngineError if error.is_client_error() else DaemonFault)(message) from error
    except (DockerException, RequestException, OSError) as error:
        raise DaemonFault(
            f"the Docker daemon at {address} does not answer: {_innermost(error)}\n"
            "start it, or name another one by DOCKER_HOST"
        ) from error


def _innermost(error: BaseException) -> str:
    """The words of the system call at the bottom; requests and urllib3 wrap it several times."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
