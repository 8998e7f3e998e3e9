"""What runc said, and the exit codes that Docker makes of it; the words are those of runc 1.1.5."""

from pathlib import Path

import pytest

from capmin.engines.runc_words import exit_code_for, runc_words

_START = "runc create failed: unable to start container process: "


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ('exec: "nope": executable file not found in $PATH', 127),
        ('exec: "/nope": stat /nope: no such file or directory', 127),
        ('exec: "/etc": permission denied', 126),
        ("unable to apply caps: operation not permitted", 125),
        ("error closing exec fds: open /proc/self/fd: no such file or directory", 125),
        ("unable to apply cgroup configuration: mkdir /sys/fs/cgroup/x: permission denied", 125),
    ],
)
def test_exit_code(words: str, code: int) -> None:
    assert exit_code_for(_START + words) == code


def test_the_last_error_counts(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(
        '{"level":"error","msg":"first"}\n{"level":"error","msg":"second"}\n{"level":"warning","msg":"no"}\n'
    )
    assert runc_words(log) == "second"


def test_no_log_no_words(tmp_path: Path) -> None:
    assert runc_words(tmp_path / "none") is None
