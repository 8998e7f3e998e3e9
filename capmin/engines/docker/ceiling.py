"""Which capabilities a daemon can really give: asked of the daemon itself, with an empty image."""

import errno
import io
import json
import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from docker.errors import APIError, ImageNotFound

from capmin.engines import Image, LaunchSpec
from capmin.engines.docker.configuration import container_config, host_config
from capmin.engines.docker.container import created
from capmin.engines.docker.daemon import Daemon
from capmin.engines.docker.faults import daemon_faults, explanation
from capmin.errors import EngineError
from capmin.privileges import Capability
from capmin.privileges.capability import CAPABILITIES, capability

_UNKNOWN = re.compile(r'unknown capability: "?(CAP_\w+)')
_NO_PROGRAM = "no such file or directory"
_NOT_GIVEN = "unable to apply caps"
"""runc applies the capabilities before it looks for the program, which an empty image does not have."""


def ceiling(
    daemon: Daemon, candidates: Iterable[Capability], labels: Mapping[str, str]
) -> frozenset[Capability]:
    """Those of the candidates that a container can be started with.

    Where all can be given, as on most hosts, it takes one start, 0.2 s; one that cannot costs about
    ten more. Debian's dockerd 20.10 does not know the three newest names, whatever the kernel gives.

    Raises:
        EngineError: the daemon failed at it.
    """
    with _empty_image(daemon) as image:
        probe = _Probe(daemon=daemon, image=image, labels=labels)
        known = probe.known(frozenset(candidates))
        return frozenset(probe.given(tuple(sorted(known, key=CAPABILITIES.index))))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probe:
    daemon: Daemon
    image: Image
    labels: Mapping[str, str]

    def known(self, names: frozenset[Capability]) -> frozenset[Capability]:
        """The names that the daemon takes; a container with any other it refuses to create."""
        while True:
            try:
                with self._created(names):
                    return names
            except EngineError as fault:
                found = _UNKNOWN.search(str(fault))
                if found is None or (unknown := capability(found[1])) not in names:
                    raise
                names -= {unknown}

    def given(self, names: tuple[Capability, ...]) -> Iterator[Capability]:
        """Split until the parts can be given, or are single names."""
        if not names or self._starts_with(names):
            yield from names
        elif len(names) > 1:
            middle = len(names) // 2
            yield from self.given(names[:middle])
            yield from self.given(names[middle:])

    def _starts_with(self, names: Iterable[Capability]) -> bool:
        with self._created(names) as identity, daemon_faults(self.daemon.address):
            try:
                self.daemon.client.start(identity)
            except APIError as error:
                words = explanation(error)
                if _NOT_GIVEN not in words and _NO_PROGRAM not in words:
                    raise
                return _NOT_GIVEN not in words
        return True

    @contextmanager
    def _created(self, names: Iterable[Capability]) -> Iterator[str]:
        spec = LaunchSpec(image=self.image, argv=("/capmin",), denied_errno=errno.ENOSYS)
        config = container_config(self.daemon, spec, self.labels, host_config(self.daemon, spec, names, None))
        with created(self.daemon, config, f"capmin-ceiling-{uuid.uuid4().hex[:12]}") as identity:
            yield identity


@contextmanager
def _empty_image(daemon: Daemon) -> Iterator[Image]:
    """An image without a single file, imported into the daemon and removed from it."""
    stream = io.BytesIO()
    tarfile.open(fileobj=stream, mode="w").close()
    with daemon_faults(daemon.address):
        answer = daemon.client.import_image_from_data(stream.getvalue())
    digest = json.loads(answer.strip().splitlines()[-1])["status"]
    try:
        yield Image(reference="capmin's empty image", digest=digest, handle=digest)
    finally:
        with daemon_faults(daemon.address), suppress(ImageNotFound):
            daemon.client.remove_image(digest, force=True)
