"""The files of /etc that Docker puts into a container without a network."""

from collections.abc import Iterable
from pathlib import Path

_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def write_etc(directory: Path, hostname: str, names: Iterable[str] = ()) -> None:
    """Write hosts (``names`` stand for 127.0.0.1), hostname and resolv.conf, readable for every user."""
    resolver = Path("/etc/resolv.conf")
    files = {
        "hosts": _HOSTS + "".join(f"127.0.0.1\t{name}\n" for name in names),
        "hostname": f"{hostname}\n",
        "resolv.conf": resolver.read_text() if resolver.exists() else "",
    }
    for name, text in files.items():
        path = directory / name
        path.write_text(text)
        path.chmod(0o644)
