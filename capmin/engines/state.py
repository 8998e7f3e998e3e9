"""The directory of one engine session, which vanishes with the process that made it."""

import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from capmin.engines import keeper
from capmin.engines._process import Running, spawn
from capmin.errors import EngineError

_numbers = itertools.count(1)
_KEEPER_LIMIT_S = 20.0


class StateDirectory:
    """A private directory under ``base``, watched by a keeper process that cleans up if this process dies.

    Leftovers of dead processes under ``base`` are cleaned first. The path is kept short, because sockets in
    it may have 107 bytes only.

    Raises:
        EngineError: the directory cannot be made.
    """

    def __init__(self, base: Path) -> None:
        try:
            base.mkdir(parents=True, exist_ok=True, mode=0o711)
            keeper.reap(base)
            self.path = base.resolve() / keeper.own_name(next(_numbers))
            self.path.mkdir(mode=0o700)
        except OSError as error:
            raise EngineError(
                f"cannot use {base} for temporary state: {error.strerror}\n"
                "run as root, or choose another state directory"
            ) from error
        # It ends when this end is closed, by `close` or with the process.
        theirs, self._life = os.pipe2(os.O_CLOEXEC)
        try:
            # -I and -S: no site-packages, no environment; 13 MB, in the background.
            self._keeper: Running | None = spawn(
                [sys.executable, "-I", "-S", keeper.__file__, str(self.path)], standard_input=theirs
            )
        finally:
            os.close(theirs)

    @property
    def cgroup(self) -> str:
        """The control group, without leading slash, below which everything runs that belongs here."""
        return keeper.CGROUP_PREFIX + self.path.name

    def on_death(self, arguments: Sequence[str]) -> None:
        """Have a program run when the directory is cleaned, at `close` or after this process has died.

        For what lives in a daemon and not in this directory. The program has to bear being run for nothing.
        """
        keeper.add_step(self.path, arguments)

    def close(self) -> None:
        """Clean up, and end the keeper. Can be called twice."""
        if self._keeper is None:
            return
        keeper.clean(self.path)
        os.close(self._life)
        self._keeper.wait(_KEEPER_LIMIT_S)
        self._keeper.close()
        self._keeper = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
