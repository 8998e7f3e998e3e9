"""`capmin search` told what it cannot do: one or two lines that say what to do next, and nothing left behind.

- The exit code is that of the table in README.md, and stdout stays empty.
- No output directory is made for a search that found nothing; one that was there is left as it was.
- Mistakes on the command line are told before anything is launched.
- A test that fails with all privileges is shown with the end of its output, however much that was.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.searching import NOWHERE, Search, Searcher

pytestmark = pytest.mark.engine("runc")

Build = Callable[[str], str]
RUNC = ("--engine", "runc")
GIGABYTES = "dd if=/dev/zero bs=1M count=1100 2>/dev/null"

MOST_KB = 500_000
"""A search that ends well takes 200 MB, most of it pandas."""

# Of that program alone: this process has waited for many others, a browser's perhaps.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def complaint(found: Search, code: int, *, most_lines: int = 2) -> str:
    """What was said; the rest of what a failed search must be."""
    assert found.code == code, found.stderr
    assert found.stdout == ""
    assert not found.output.exists()
    assert 1 <= len(found.stderr.splitlines()) <= most_lines, found.stderr
    assert "Traceback" not in found.stderr
    return found.stderr


def test_no_such_image(search: Searcher) -> None:
    words = complaint(search("capmin.invalid/none:1", "--test", "true", *RUNC), 2)
    assert "no image capmin.invalid/none:1" in words
    assert "docker-archive:FILE" in words


def test_no_such_image_on_a_daemon(search: Searcher, daemon: str) -> None:
    found = search("capmin.invalid/none:1", "--test", "true", "--engine", "docker", docker_host=daemon)
    assert "no image capmin.invalid/none:1" in complaint(found, 2)


def test_no_such_test_image(search: Searcher, built: Build) -> None:
    arguments = ("--service", "--test", "true", "--test-image", "capmin.invalid/none:1")
    assert "capmin.invalid/none:1" in complaint(search(built("tools"), *arguments, *RUNC), 2)


def test_no_daemon(search: Searcher, built: Build) -> None:
    words = complaint(search(built("tools"), "--test", "true", "--engine", "docker"), 4)
    assert f"{NOWHERE} does not answer" in words
    assert "DOCKER_HOST" in words


def nobody(tmp_path: Path) -> tuple[str, ...]:
    """A user who can read this checkout, wherever it is, and write to a directory of the test."""
    tmp_path.chmod(0o777)
    may_read = "-all,+dac_read_search"
    as_nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    return (*as_nobody, "--inh-caps", may_read, "--ambient-caps", may_read)


@pytest.mark.parametrize(
    ("engine", "advice"),
    [
        ("runc", "the runc engine needs root: run capmin with sudo"),
        ("auto", "no engine is available: be root"),
    ],
)
def test_not_root(search: Searcher, built: Build, tmp_path: Path, engine: str, advice: str) -> None:
    before = sorted(search.cache_dir.iterdir())
    found = search.program(built("tools"), "--test", "true", "--engine", engine, before=nobody(tmp_path))
    assert advice in complaint(found, 4)
    assert sorted(search.cache_dir.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--test", "true", "--ceiling", "CAP_FOO"), "no such capability: 'CAP_FOO'"),
        (("--test", "true", "--ceiling", "all,CAP_CHOWN"), "no such capability: 'all'"),
        (("--test", "true", "--ceiling", ""), "--ceiling is empty"),
        (("--test", '["/bin/true"'), "looks like a JSON list, and is none"),
        (("--test", '["/bin/true", 1]'), "not a JSON list of strings"),
        (("--test", "[]"), "not a JSON list of strings"),
        (("--test", " "), "the test command is empty"),
        ((), "say what it is about"),
        (("--test", "true", "--test-image", "x"), "--test-image is for --service"),
        (("--test", "true", "--workload", "workloads/nginx"), "--workload brings its own tests"),
        (("--workload", "/nowhere"), "no workload at /nowhere"),
    ],
)
def test_a_command_line_that_cannot_be(search: Searcher, arguments: tuple[str, ...], advice: str) -> None:
    assert advice in complaint(search("capmin.invalid/none:1", *arguments, *RUNC), 2)


@pytest.mark.parametrize("arguments", [("--confirm", "-1"), ("--workers", "0"), ("--engine", "lxc")])
def test_a_value_that_cannot_be(search: Searcher, arguments: tuple[str, ...]) -> None:
    words = complaint(search("capmin.invalid/none:1", "--test", "true", *arguments), 2, most_lines=4)
    assert f"Invalid value for '{arguments[0]}'" in words


def test_an_output_directory_that_cannot_be_is_told_first(search: Searcher, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    # Root may write to whatever directory; not to what is no directory, nor where the kernel makes the files.
    for place, reason in (
        (tmp_path / "file" / "x", "Not a directory"),
        (Path("/proc/capmin"), "No such file"),
    ):
        words = complaint(search("capmin.invalid/none:1", "--test", "true", *RUNC, output=place), 2)
        assert f"cannot write to {place}: {reason}" in words
        assert "--output" in words


def test_a_read_only_output_directory(search: Searcher) -> None:
    # A file system that nobody can write to, root neither.
    found = search("capmin.invalid/none:1", "--test", "true", *RUNC, output=Path("/sys/kernel"))
    assert (found.code, found.stdout) == (2, "")
    assert "cannot write to /sys/kernel: " in found.stderr


def test_a_test_that_fails_is_shown(search: Searcher, built: Build) -> None:
    test = "for i in 1 2 3 4 5 6; do echo line $i; done; echo '\x1b[31mno file\x07' >&2; exit 7"
    words = complaint(search(built("tools"), "--test", test, *RUNC), 3, most_lines=7)
    assert "2 of 2 launches fail before anything is taken away" in words
    assert "exit code 7" in words
    assert "--ceiling all" in words
    assert "| line 6\n  | no file\n" in words
    assert "line 2" not in words


def test_what_was_there_before_stays(search: Searcher, built: Build) -> None:
    arguments = (built("tools"), *RUNC, "--no-syscalls", "--confirm", "1")
    found = search(*arguments, "--test", "true")
    assert found.code == 0
    names = sorted(path.name for path in found.output.iterdir())
    before = found.written
    assert search(*arguments, "--test", "false").code == 3
    assert sorted(path.name for path in found.output.iterdir()) == names
    assert found.written == before


def test_one_that_failed_is_not_resumed(search: Searcher, built: Build) -> None:
    arguments = (built("tools"), *RUNC, "--no-syscalls", "--confirm", "1", "--test")
    search(*arguments, "true")
    search(*arguments, "false")
    again = search(*arguments, "false", "--resume")
    assert again.code == 3
    assert "nothing to resume" in again.stderr


def test_a_test_that_hangs(search: Searcher, built: Build) -> None:
    words = complaint(
        search(built("tools"), "--test", "trap '' TERM INT; sleep 1000", *RUNC, "--time-limit", "1"), 3
    )
    assert "no success within" in words
    assert "--time-limit" in words


def test_a_service_that_never_answers(search: Searcher, built: Build) -> None:
    words = complaint(
        search(built("tools"), "--service", "--test", "false", *RUNC, "--time-limit", "1"), 3, most_lines=7
    )
    assert "the service ended with exit code" in words or "no success within" in words


def test_an_image_without_a_shell(search: Searcher, built: Build) -> None:
    words = complaint(search(built("no-shell"), "--test", "true", *RUNC), 3)
    assert "the image has no /bin/sh: give the test as a JSON list" in words


def test_an_image_without_the_program(search: Searcher, built: Build) -> None:
    words = complaint(search(built("no-shell"), "--test", '["/bin/nope"]', *RUNC), 3)
    assert 'exec: "/bin/nope"' in words


def test_a_test_that_prints_for_ever(search: Searcher, built: Build, tmp_path: Path) -> None:
    measured = (sys.executable, "-c", MEASURE, str(tmp_path / "kb"))
    found = search.program(built("tools"), "--test", "yes", *RUNC, "--time-limit", "1", before=measured)
    words = complaint(found, 3, most_lines=6)
    assert words.endswith("  | y\n" * 5)
    assert int((tmp_path / "kb").read_text()) < MOST_KB


@pytest.mark.long
def test_a_test_that_prints_gigabytes_and_passes(search: Searcher, built: Build, tmp_path: Path) -> None:
    options = ("--no-syscalls", "--no-capabilities", "--confirm", "1")
    measured = (sys.executable, "-c", MEASURE, str(tmp_path / "kb"))
    found = search.program(built("tools"), "--test", GIGABYTES, *RUNC, *options, before=measured)
    assert found.code == 0, found.stderr
    assert sum(path.stat().st_size for path in found.output.iterdir()) < 100 << 20
    assert int((tmp_path / "kb").read_text()) < MOST_KB
