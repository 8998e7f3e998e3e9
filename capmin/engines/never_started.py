"""A container whose program was never started, because what it depends on was not there."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capmin.engines import Container, Executed, Exit, LaunchSpec, Process
from capmin.scenario import Command
from capmin.trial import Attempt, End, Granted


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

    def execute(self, argv: Command, limit_s: float) -> Executed:  # noqa: ARG002 (there is nothing to run it in)
        return Executed(code=126, output=self.reason)

    def read(self, path: str, limit_bytes: int) -> bytes | None:  # noqa: ARG002 (nor to read from)
        return None

    def network_namespace(self) -> Path | None:
        return None

    def output(self) -> str:
        return ""

    def processes(self) -> tuple[Process, ...]:
        return ()

    def attempts(self) -> tuple[Attempt, ...] | None:
        return None

    def ends(self) -> tuple[End, ...]:
        return ()

    def granted(self) -> Granted | None:
        return None
