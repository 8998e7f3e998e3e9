"""Locks on directories: shared by users, claimed by one who removes, let go of by the dead."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capmin.engines._locks import claim, share, sweep, workspace


@contextmanager
def _open(descriptor: int | None) -> Iterator[bool]:
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def test_shared_is_not_claimed(tmp_path: Path) -> None:
    with _open(share(tmp_path)) as first, _open(share(tmp_path)) as second, _open(claim(tmp_path)) as claimed:
        assert (first, second, claimed) == (True, True, False)
    with _open(claim(tmp_path)) as claimed:
        assert claimed


def test_what_is_not_there(tmp_path: Path) -> None:
    assert share(tmp_path / "none") is None
    assert claim(tmp_path / "none") is None


def test_workspace_is_gone_after_the_block(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workspace(tmp_path) as work:  # noqa: PT012 - the point of it
        (work / "a").mkdir()
        (work / "a/b").write_text("x")
        raise KeyboardInterrupt
    assert list(tmp_path.glob("[!.]*")) == []


def test_sweep_spares_the_living(tmp_path: Path) -> None:
    (tmp_path / "dead/a").mkdir(parents=True)
    with workspace(tmp_path) as work:
        sweep(tmp_path)
        assert list(tmp_path.glob("[!.]*")) == [work]


def test_the_dead_let_go(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from capmin.engines._locks import workspace\n"
        "with workspace(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.glob("[!.]*"))) == 1
    sweep(tmp_path)
    assert list(tmp_path.glob("[!.]*")) == []
