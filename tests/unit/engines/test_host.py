"""Host facts: read off the file system, or tried in a child that takes everything with it."""

import os
import tempfile
from pathlib import Path

import pytest

from capmin.engines import host


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["cgroup.controllers"], "v2"),
        (["unified/cgroup.controllers", "memory/tasks"], "hybrid"),
        (["memory/tasks"], "v1"),
        ([], "none"),
    ],
)
def test_control_groups(tmp_path: Path, files: list[str], expected: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert host.control_groups(tmp_path) == expected


def test_a_program_and_its_version() -> None:
    found = host.program("python3")
    assert found is not None
    assert Path(found.path).name == "python3"
    assert found.version.startswith("3.")


def test_a_program_that_is_not_there() -> None:
    assert host.program("capmin-no-such-program") is None


def test_a_program_that_cannot_be_run_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.program("broken") == host.Program(path=str(tmp_path / "broken"), version="")


def test_a_child_that_succeeds_has_nothing_to_say() -> None:
    assert host._in_child(lambda: None) is None


def test_a_child_that_fails_says_why() -> None:
    def fail() -> None:
        raise OSError(1, "Operation not permitted")

    assert host._in_child(fail) == "[Errno 1] Operation not permitted"


def test_a_child_cannot_run_on() -> None:
    pid = os.getpid()

    def leave() -> None:
        raise SystemExit(3)

    assert host._in_child(leave) == "3"
    assert os.getpid() == pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_an_overlay_is_mounted_where_nobody_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By the directory it lies in: other tests and campaigns mount overlays at the same time.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert host.why_no_overlay() is None
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert list(tmp_path.iterdir()) == []
