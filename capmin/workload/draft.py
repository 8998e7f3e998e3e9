"""A first workload file for an image, from what the image says of itself; to be finished by a person."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from capmin.engines import Image

HTTP_PORTS = frozenset({80, 3000, 5000, 8000, 8008, 8080, 8081, 8888, 9090})
"""Where it is worth trying whether HTTP is spoken: IANA's http and http-alt, and frameworks' defaults."""

_LONG = 160


def draft(image: Image) -> str:
    """The text of a ``workload.toml``: valid as it is, its tests being no more than a start."""
    return "\n".join([*_head(image), *(_service(image) if is_service(image) else _one_shot())]) + "\n"


def is_service(image: Image) -> bool:
    """Whether it looks like something that runs until it is stopped."""
    return bool(image.exposed_ports or image.healthcheck)


def _head(image: Image) -> Iterator[str]:
    yield f"# What {_plain(image.reference)} must still do, for capmin search --workload."
    yield "# A start, made by capmin init: the tests decide what is kept, so say here what matters to you."
    yield f"# Every key is explained in workloads/README.md of capmin. Image: {_plain(image.digest)}"
    yield f"description = {_string(f'{image.reference}, as it comes')}"
    yield ""
    yield "[image]"
    yield f"reference = {_string(image.reference)}"
    yield from (f"# {_plain(line)}" for line in _about(image))
    yield ""
    yield "[[scenario]]"


def _about(image: Image) -> Iterator[str]:
    """What the image says, where it is of use to whoever writes the tests."""
    if image.entrypoint or image.cmd:
        yield f"It runs {json.dumps([*image.entrypoint, *image.cmd])}"
    user = image.user.partition(":")[0]
    if user in ("", "0", "root"):
        yield "as root" + (", and may change to another user itself" if is_service(image) else "")
    else:
        yield f"as user {image.user}, for whom capabilities are in effect in few programs: capabilities(7)"
    if image.healthcheck:
        yield f"Its health check is {json.dumps(list(image.healthcheck))}"
    names = [name for name, _, _ in (text.partition("=") for text in image.environment) if name != "PATH"]
    if names:
        yield f"It sets the environment {', '.join(names)}"


def _service(image: Image) -> Iterator[str]:
    yield 'name = "serves"'
    yield "service = true   # its own entrypoint runs, and is tested from beside"
    yield from _probes(image)
    if image.healthcheck:
        yield "ready = { healthcheck = true }   # then the test runs, once"
    if volumes := list(_volumes(image.volumes)):
        named = ", ".join(f"{name} = {_string(path)}" for name, path in volumes)
        yield f"volumes = {{ {named} }}   # fresh for each launch"
        yield "# The second start finds the files of the first, and may need other privileges."
        yield 'phases = ["test", "restart", "test"]'
    else:
        yield '# phases = ["test", "reload", "test", "restart", "test", "stop"]   # what else it survives'
    yield '# env = { NAME = "value" }   # what it wants to be told, as docker run -e'
    yield '# files = { "app.conf" = "/etc/app.conf" }   # your own configuration, from beside this file'


def _probes(image: Image) -> Iterator[str]:
    ports = [_port(text) for text in image.exposed_ports]
    http = [number for number, protocol in ports if protocol == "tcp" and number in HTTP_PORTS]
    tcp = [number for number, protocol in ports if protocol == "tcp" and number not in HTTP_PORTS]
    other = [f"{number}/{protocol}" for number, protocol in ports if protocol != "tcp"]
    if http:
        requests = ", ".join(f'{{ url = "http://127.0.0.1:{number}/" }}' for number in http)
        yield f'http = [{requests}]   # add contains = "...": any answer below 400 passes'
    if tcp:
        connections = ", ".join(f"{{ port = {number} }}" for number in tcp)
        yield f"tcp = [{connections}]   # only that it takes connections: add send and expect, or a test"
    if other:
        yield f"# not tested: {', '.join(other)}"
    if not http and not tcp:
        yield from _health_test(image)
    yield '# test = "..."   # a command beside it, on the same network, with full privileges'


def _health_test(image: Image) -> Iterator[str]:
    command: Iterable[str] = image.healthcheck or ("true",)
    yield f"test = [{', '.join(_string(word) for word in command)}]"
    yield 'test_in = "inside"   # in the container itself: what it needs counts'


def _one_shot() -> Iterator[str]:
    yield 'name = "runs"'
    yield "# The image names no port and no health check: the test is the container's own process."
    yield 'test = "true"   # for the image\'s shell; or a list to run as it is: ["/usr/bin/tool", "--check"]'
    yield "# For one that runs until it is stopped:"
    yield "# service = true"
    yield '# http = [{ url = "http://127.0.0.1:8080/", contains = "..." }]'


def _port(text: str) -> tuple[int, str]:
    number, _, protocol = text.partition("/")
    return int(number), protocol or "tcp"


def _volumes(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A name for each that can be mounted, from the end of its path."""
    taken: set[str] = set()
    for path in sorted(path for path in paths if re.match("/[^\n/]", path)):
        stem = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(path).name.lower()).strip("-") or "data"
        name = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)
        taken.add(name)
        yield name, path


def _string(text: str) -> str:
    """A TOML basic string: JSON's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(text: str) -> str:
    """For a comment: one line, and not for ever."""
    line = "".join(char if char.isprintable() else "?" for char in text)
    return line if len(line) <= _LONG else f"{line[:_LONG]}..."
