"""How long a launch waited for a processor: what a busy machine took from it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from capmin.engines import Container
from capmin.patience import HOST, stalled_s

_HIERARCHIES = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
"""Where systemd mounts cgroup v2 beside v1, and where it is all there is."""


class Pressure:
    """Counts the seconds in which something of one launch could have run, and another did.

    A service that hangs waits for something else than a processor, however busy the machine is; so its
    containers' own pressure is what counts (cgroup-v2.rst, cpu.pressure; it is there beside cgroup v1, too).
    The host's counts while a container is being started, or a command runs outside of all, and where the
    containers' is not to be had.
    """

    def __init__(self) -> None:
        self._groups: dict[Path, float] = {}
        self._host_s = 0.0
        self._host_since: float | None = stalled_s(HOST)
        self._is_host = True

    def lost_s(self) -> float | None:
        """Seconds so far; None where the kernel does not tell."""
        for pressure, before in self._groups.items():
            # Of a container that is gone what was last read.
            self._groups[pressure] = max(before, stalled_s(pressure) or 0.0)
        if (host_s := self._of_host()) is None:
            return None
        return host_s + sum(self._groups.values())

    @contextmanager
    def launched(self, start: AbstractContextManager[Container]) -> Iterator[Container]:
        """Start a container; what it waits for counts until its end."""
        with ExitStack() as stack:
            with self.on_host():
                container = stack.enter_context(start)
            if (pressure := _pressure_of(container)) is not None:
                self._groups[pressure] = 0.0
                self._count_host(wanted=False)
                stack.callback(self.lost_s)
            yield container

    @contextmanager
    def on_host(self) -> Iterator[None]:
        """In the block the host's pressure counts."""
        before = self._is_host
        self._count_host(wanted=True)
        try:
            yield
        finally:
            self._count_host(wanted=before)

    def _count_host(self, *, wanted: bool) -> None:
        if wanted == self._is_host:
            return
        self._host_s = self._of_host() or 0.0
        self._host_since, self._is_host = stalled_s(HOST), wanted

    def _of_host(self) -> float | None:
        if not self._is_host:
            return self._host_s
        now = stalled_s(HOST)
        return None if now is None or self._host_since is None else self._host_s + now - self._host_since


def _pressure_of(container: Container) -> Path | None:
    """The file with a container's own pressure; None: it has ended, or runs elsewhere, or there is none."""
    namespace = container.network_namespace()  # /proc/PID/ns/net
    if namespace is None:
        return None
    try:
        lines = (namespace.parents[1] / "cgroup").read_text().splitlines()
    except OSError:
        return None
    group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if group is None:
        return None
    pressures = (hierarchy / group / "cpu.pressure" for hierarchy in _HIERARCHIES)
    return next((pressure for pressure in pressures if stalled_s(pressure) is not None), None)
