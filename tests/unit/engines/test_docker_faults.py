"""A launch that breaks is told from a daemon that does. The messages are what daemons were seen to say."""

import pytest
import requests
from docker.errors import APIError

from capmin.engines.docker.faults import DaemonFault, daemon_faults, refusal
from capmin.errors import EngineError, ImageError

_RUNC = "OCI runtime create failed: runc create failed: unable to start container process: "
REFUSED = [
    f"failed to create shim task: {_RUNC}unable to apply caps: operation not permitted: unknown",
    (
        f"failed to create shim task: {_RUNC}error during container init: unable to setup user: "
        "operation not permitted: unknown"
    ),
    (
        f'failed to create task for container: failed to create shim task: {_RUNC}exec: "nope": '
        "executable file not found in $PATH: unknown"
    ),
    "cannot start a stopped process: unknown",
    "error closing exec fds: ensure /proc/self/fd is on procfs: function not implemented",
    "cannot join network of a non running container: c38da2fef8ff",
]
FAULTS = [
    (
        f"failed to create shim task: {_RUNC}error during container init: write /proc/self/attr: "
        "no space left on device: unknown"
    ),
    (
        f"failed to create shim task: {_RUNC}failed to connect with seccomp agent specified in "
        "the seccomp profile: dial unix /run/x.sock: connect: no such file or directory: unknown"
    ),
    "Decoding seccomp profile failed: invalid character 'x' looking for beginning of value",
    "failed to create endpoint on network bridge: operation not supported",
]


def said(words: str, status: int) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError(f"{status} Server Error", response=response, explanation=words)


@pytest.mark.parametrize("words", REFUSED)
@pytest.mark.parametrize("status", [400, 500])
def test_the_runtimes_words_about_the_container_are_a_refusal(words: str, status: int) -> None:
    assert refusal(said(words, status)) == words


@pytest.mark.parametrize("words", FAULTS)
def test_those_about_its_host_are_not(words: str) -> None:
    assert refusal(said(words, 500)) is None


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (500, FAULTS[-1], DaemonFault),
        (503, "daemon is shutting down", DaemonFault),
        (400, 'invalid CapAdd: unknown capability: "CAP_BPF"', EngineError),
        (500, "unable to find user app: no matching entries in passwd file", ImageError),
        (400, "no command specified", ImageError),
    ],
)
def test_every_error_has_its_class(status: int, words: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=words) as raised, daemon_faults("unix:///docker.sock"):
        raise said(words, status)
    assert type(raised.value) is kind


def test_a_daemon_that_is_gone_is_named_with_what_to_do() -> None:
    with (
        pytest.raises(
            DaemonFault, match=r"unix:///docker.sock does not answer: Connection refused\n.*DOCKER_HOST"
        ),
        daemon_faults("unix:///docker.sock"),
    ):
        raise requests.ConnectionError from ConnectionRefusedError(111, "Connection refused")
