"""Docker's description of an image is read whatever it leaves out."""

from capmin.engines import Image
from capmin.engines.docker.images import from_document

NULLS = dict.fromkeys(("Cmd", "Entrypoint", "Env", "User", "WorkingDir", "Volumes", "ExposedPorts"))
EMPTY = Image(reference="it", digest="sha256:1", handle="sha256:1")


def test_absent_and_null_are_empty() -> None:
    for config in ({}, NULLS, None):
        assert from_document("it", {"Id": "sha256:1", "RepoDigests": None, "Config": config}) == EMPTY


def test_everything_is_read() -> None:
    config = {
        "Entrypoint": ["/entry"],
        "Cmd": ["a", "b"],
        "Env": ["A=1"],
        "User": "app",
        "WorkingDir": "/srv",
        "StopSignal": "SIGQUIT",
        "Volumes": {"/data": {}, "/a": {}},
        "ExposedPorts": {"80/tcp": {}},
    }
    assert from_document("it", {"Id": "sha256:1", "Config": config}) == Image(
        reference="it",
        digest="sha256:1",
        handle="sha256:1",
        entrypoint=("/entry",),
        cmd=("a", "b"),
        environment=("A=1",),
        user="app",
        working_dir="/srv",
        stop_signal="SIGQUIT",
        volumes=("/a", "/data"),
        exposed_ports=("80/tcp",),
    )
