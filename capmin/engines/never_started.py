"""A container whose program was never started, because what it depends on was not there."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from capmin.engines import Container, Exit, LaunchSpec, Process
from capmin.trial import Attempt, Granted


@dataclass(frozen=True, slots=True)
class NeverStarted:
    """A container that has ended before it began; see `capmin.engines.Container`."""

    reason: str

    def wait(self, limit_s: float) -> Exit | None:  # noqa: ARG002 (nothing to wait for)
        return Exit(code=125, refused=self.reason)

    def signal(self, signal: int) -> None:
        """Nothing happens: it has ended."""

    @contextlib.contextmanager
    def beside(self, spec: LaunchSpec) -> Iterator[Container]:  # noqa: ARG002 (not started either)
        yield NeverStarted(self.reason)

    def output(self) -> str:
        return ""

    def processes(self) -> tuple[Process, ...]:
        return ()

    def attempts(self) -> tuple[Attempt, ...] | None:
        return None

    def granted(self) -> Granted | None:
        return None
