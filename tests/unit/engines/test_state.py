"""A state directory goes with its process, however that ends; those of others stay.

- Closed: directory gone, steps run, keeper gone.
- Killed: the same, by the keeper.
- Keeper killed, too: the next one to use the place cleans up.
- A directory belongs to a process by number *and* start time.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capmin.engines import keeper
from capmin.engines.state import StateDirectory
from capmin.errors import EngineError

LIMIT_S = 120.0
_OWNER = """
import os, sys, time
from pathlib import Path
from capmin.engines.state import StateDirectory
state = StateDirectory(Path(sys.argv[1]))
state.on_death(["touch", sys.argv[2]])
print(state.path, state._keeper.pid, flush=True)
time.sleep(600)
"""


def within_limit(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def killed_owner(base: Path, mark: Path, *, keeper_too: bool) -> Path:
    """The state directory of a process that was killed in the middle of its life."""
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(base), str(mark)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        path, keeper_pid = owner.stdout.readline().split()
        assert Path(path).is_dir()
        if keeper_too:
            os.kill(int(keeper_pid), signal.SIGKILL)
        owner.kill()
    return Path(path)


def test_closing_cleans(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with StateDirectory(tmp_path / "state") as state:
        (state.path / "file").write_text("x")
        state.on_death(["touch", str(mark)])
        assert state.path.stat().st_mode & 0o777 == 0o700
        keeper_process = state._keeper
    assert keeper_process is not None
    assert not Path(f"/proc/{keeper_process.pid}").exists()
    assert list((tmp_path / "state").iterdir()) == []
    assert mark.exists()
    state.close()


def test_the_keeper_cleans_after_a_killed_process(tmp_path: Path) -> None:
    path = killed_owner(tmp_path / "state", tmp_path / "mark", keeper_too=False)
    assert within_limit(lambda: not path.exists() and (tmp_path / "mark").exists())


def test_the_next_one_cleans_where_the_keeper_was_killed_too(tmp_path: Path) -> None:
    path = killed_owner(tmp_path / "state", tmp_path / "mark", keeper_too=True)
    assert path.exists()
    with StateDirectory(tmp_path / "state"):
        assert not path.exists()
        assert (tmp_path / "mark").exists()


def test_what_lives_stays(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as first, StateDirectory(tmp_path) as second:
        assert first.path.is_dir()
        assert second.path.is_dir()
        assert first.cgroup != second.cgroup


def test_a_recycled_number_fools_nobody(tmp_path: Path) -> None:
    mine = tmp_path / keeper.own_name(1)
    pid, start_time, _ = mine.name.split("-")
    others = tmp_path / f"{pid}-{int(start_time) - 1}-1"
    for directory in (mine, others):
        directory.mkdir()
    keeper.reap(tmp_path)
    assert mine.exists()
    assert not others.exists()


@pytest.mark.parametrize("name", ["notes", "12-34", "x-1-1"])
def test_what_is_not_ours_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    keeper.reap(tmp_path)
    assert (tmp_path / name).exists()


def test_the_keeper_holds_no_output_open(tmp_path: Path) -> None:
    """Otherwise `capmin | less` would not end."""
    with StateDirectory(tmp_path) as state:
        assert state._keeper is not None
        links = [str(Path(f"/proc/{state._keeper.pid}/fd/{n}").readlink()) for n in (1, 2)]
        assert links == ["/dev/null", "/dev/null"]
        assert os.getsid(state._keeper.pid) == state._keeper.pid


def test_an_impossible_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="state directory"):
        StateDirectory(tmp_path / "file" / "state")
