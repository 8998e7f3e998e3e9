"""The names of a scenario's network, asked for by DNS, as on the networks that services run on in production.

In /etc/hosts a name costs reading a file. On Docker's networks, and Kubernetes', it costs asking a server,
with system calls of its own: the imageboard's nginx and node.js, searched with names in /etc/hosts, did not
find each other under their profiles on Docker ("host not found in upstream", EAI_AGAIN, measured).
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from capmin.engines import Container
from capmin.engines.in_root import open_in_root, read_in_root
from capmin.errors import EngineError
from capmin.play.namespace import socket_in

_log = logging.getLogger(__name__)

_SERVER = ("127.0.0.11", 53)
"""Where Docker's own is."""

_RESOLVER = f"nameserver {_SERVER[0]}\noptions ndots:0\n"
"""As Docker writes it on its networks."""

_LONGEST_BYTES = 512
_HOSTS_LIMIT_BYTES = 1 << 16


@contextmanager
def asked_by_dns(network: Container, names: frozenset[str]) -> Iterator[None]:
    """Have all containers on a network ask for its names, until the end of the block.

    Where that cannot be had (no root, a daemon on another machine, a DNS server among the companions) the
    names stay in /etc/hosts.
    """
    namespace = network.network_namespace()
    if namespace is None:
        yield
        return
    try:
        channel = socket_in(namespace, socket.SOCK_DGRAM)
    except (OSError, EngineError) as error:
        _log.debug("names stay in /etc/hosts: %s", error)
        yield
        return
    with channel:
        try:
            channel.bind(_SERVER)
            _switch(namespace.parents[1] / "root", names)
        except OSError as error:
            _log.debug("names stay in /etc/hosts: %s", error)
            yield
            return
        server = threading.Thread(target=_serve, args=(channel, names), name="dns")
        server.start()
        try:
            yield
        finally:
            # Wakes the thread, which closing the descriptor would not. Linux does it and complains all the
            # same that nothing is connected (net/ipv4/af_inet.c, inet_shutdown: "Hack to wake up").
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
            server.join()


def answer(query: bytes, names: frozenset[str]) -> bytes | None:
    """The answer to a DNS message: 127.0.0.1 for the names, no such name for others; None: it is none."""
    try:
        asked = dns.message.from_wire(query)
        reply = dns.message.make_response(asked, recursion_available=True)
    except dns.exception.DNSException:
        return None
    for question in asked.question:
        if question.name.to_text(omit_final_dot=True).lower() not in names:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(question.name, 600, "IN", "A", "127.0.0.1"))
    return reply.to_wire()


def _serve(channel: socket.socket, names: frozenset[str]) -> None:
    while True:
        try:
            query, client = channel.recvfrom(_LONGEST_BYTES)
        except OSError:
            return
        if not query:
            return  # shut down
        if (reply := answer(query, names)) is not None:
            with suppress(OSError):  # who asked is gone, or asks again
                channel.sendto(reply, client)


def _switch(root: Path, names: frozenset[str]) -> None:
    """Take the names out of /etc/hosts, and name the server in /etc/resolv.conf; both are the network's."""
    hosts = (read_in_root(root, "/etc/hosts", _HOSTS_LIMIT_BYTES) or b"").decode(errors="replace")
    kept = (line for line in hosts.splitlines() if names.isdisjoint(line.split()[1:]))
    _write(root, "/etc/resolv.conf", _RESOLVER)
    _write(root, "/etc/hosts", "".join(f"{line}\n" for line in kept))


def _write(root: Path, path: str, text: str) -> None:
    with os.fdopen(
        open_in_root(root, path, os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY | os.O_NONBLOCK), "w"
    ) as file:
        file.write(text)
