"""Probes that capmin makes itself: an image needs no curl, and a trial no sidecar."""

import hashlib
import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from capmin.play.namespace import connect
from capmin.scenario import HttpProbe, TcpProbe

BODY_LIMIT_BYTES = 1 << 20
TEXT_LIMIT_BYTES = 1 << 16
"""Of longer answers, and those that are no text, only size and hash are kept."""

_FIRST_REDIRECT_NOT_TO_PASS = 400
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What came back, and whether the probe passes; ``trouble`` says why not."""

    text: str
    trouble: str | None = None


def ask(probe: HttpProbe | TcpProbe, namespace: Path, limit_s: float) -> Answered:
    """Make one attempt, each step of which may take ``limit_s``.

    Raises:
        EngineError: this process may not enter the network.
    """
    try:
        if isinstance(probe, TcpProbe):
            return _exchange(probe, namespace, limit_s)
        return _request(probe, namespace, limit_s)
    except (OSError, http.client.HTTPException) as error:
        return Answered(text="", trouble=f"{probe}: {error or type(error).__name__}")


def listens(port: int, namespace: Path, limit_s: float) -> bool:
    """Whether a port takes connections."""
    return ask(TcpProbe(port=port), namespace, limit_s).trouble is None


def shown(content: bytes) -> str:
    """Content as text to compare; what is none, or very long, as its size and hash."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if content and (not text or "\0" in text or len(content) > TEXT_LIMIT_BYTES):
        return f"<{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}>"
    return text


def _request(probe: HttpProbe, namespace: Path, limit_s: float) -> Answered:
    """Names in the URL are for the server: all of them are on the one network."""
    url = urlsplit(probe.url)
    channel = connect(namespace, url.port or _PORTS[url.scheme], limit_s)
    if url.scheme == "https":
        channel = _unverified().wrap_socket(channel, server_hostname=url.hostname)
    connection = http.client.HTTPConnection(url.netloc, timeout=limit_s)
    connection.sock = channel
    try:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request(probe.method, path, body=probe.body.encode() or None, headers=dict(probe.headers))
        response = connection.getresponse()
        body = response.read(BODY_LIMIT_BYTES)
    finally:
        connection.close()
    head = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
    text = f"{response.status} {response.reason}\n{head}\n{shown(body)}"
    return Answered(text=text, trouble=_http_trouble(probe, response.status, body))


def _http_trouble(probe: HttpProbe, status: int, body: bytes) -> str | None:
    if status != probe.status if probe.status else status >= _FIRST_REDIRECT_NOT_TO_PASS:
        return f"{probe} answered with status {status}"
    if probe.contains.encode() not in body:
        return f"{probe}: its answer does not contain {probe.contains!r}"
    return None


def _exchange(probe: TcpProbe, namespace: Path, limit_s: float) -> Answered:
    with connect(namespace, probe.port, limit_s) as channel:
        channel.sendall(probe.send.encode())
        received = b""
        while probe.expect and probe.expect.encode() not in received and len(received) < BODY_LIMIT_BYTES:
            part = channel.recv(1 << 16)
            if not part:
                return Answered(text=shown(received), trouble=f"{probe}: closed without {probe.expect!r}")
            received += part
    return Answered(text=shown(received))


def _unverified() -> ssl.SSLContext:
    """A test's certificate is its own affair."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
