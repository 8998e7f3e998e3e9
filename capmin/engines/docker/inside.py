"""What is done inside a container of a daemon: commands run, and files read."""

import io
import tarfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from capmin.engines import Executed
from capmin.engines.docker.daemon import Daemon
from capmin.engines.docker.faults import daemon_faults, explanation
from capmin.engines.docker.output import Tail
from capmin.scenario import Command

if TYPE_CHECKING:
    from docker.types.daemon import CancellableStream

_CANNOT = 126
_CONFLICT = 409
_ARCHIVE_HEAD_BYTES = 64 << 10
"""More than what stands before a file's content: its name, owner and extended attributes."""


def execute(daemon: Daemon, identity: str, argv: Command, limit_s: float) -> Executed:
    """Run a command as docker exec does, for so long at most; then it is left to the container's end.

    Raises:
        EngineError: the daemon failed.
    """
    client, tail = daemon.client, Tail()
    with daemon_faults(daemon.address):
        try:
            command = client.exec_create(identity, list(argv))["Id"]
            stream = client.exec_start(command, stream=True)
        except APIError as error:
            if error.status_code != _CONFLICT and "OCI runtime" not in explanation(error):
                raise
            return Executed(code=_CANNOT, output=explanation(error))
    # The connection is open as long as the command runs, and reading from it knows no limit.
    reader = threading.Thread(target=_drain, args=(stream, tail), name=f"exec-{command[:12]}", daemon=True)
    reader.start()
    reader.join(limit_s)
    with daemon_faults(daemon.address):
        code = client.exec_inspect(command)["ExitCode"]
    return Executed(code=None if reader.is_alive() else code, output=tail.text())


def _drain(stream: "CancellableStream[bytes]", tail: Tail) -> None:
    with suppress(DockerException, RequestException, OSError, ValueError):
        try:
            for chunk in stream:
                tail.add(chunk)
        finally:
            # Its own close() shuts the connection down and leaves it open (docker-py 7.2).
            stream._response.close()  # type: ignore[attr-defined] # noqa: SLF001


def read(daemon: Daemon, identity: str, path: str, limit_bytes: int) -> bytes | None:
    """The beginning of a file; the daemon sends it as an archive (docker cp).

    Raises:
        EngineError: the daemon failed.
    """
    with daemon_faults(daemon.address):
        try:
            chunks, status = daemon.client.get_archive(identity, path)
        except NotFound:
            return None
        except APIError as error:
            if error.is_client_error():  # not a path of it
                return None
            raise
        # Read to its end, whatever is kept of it: that is what frees the connection.
        content = bytearray()
        for chunk in chunks:
            content += chunk[: limit_bytes + _ARCHIVE_HEAD_BYTES - len(content)]
    if target := status.get("linkTarget"):
        return read(daemon, identity, target, limit_bytes)
    with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.next()
        if member is not None and member.isfile():
            return bytes(content[member.offset_data :][: min(member.size, limit_bytes)])
    return None
