"""`.ci/with-docker`: daemons for a command, and nothing of them afterwards.

- The command finds an old daemon and a new one, and its exit code is handed on.
- Daemons that answer already are used.
- On SIGTERM the command is told, and all is gone as well.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing

SCRIPT = Path(__file__).parents[2] / ".ci" / "with-docker"
LIMIT_S = 300.0
NOWHERE = "unix:///nowhere.sock"
SAY = 'echo "$DOCKER_HOST $CAPMIN_TEST_DOCKER_MODERN"'
WAIT = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: (print("told", flush=True), os._exit(9)))
print(os.environ["DOCKER_HOST"], os.environ["CAPMIN_TEST_DOCKER_MODERN"], flush=True)
signal.pause()
"""
VERSIONS = """
import os, docker
for name in ("DOCKER_HOST", "CAPMIN_TEST_DOCKER_MODERN"):
    print(docker.APIClient(os.environ[name]).version()["Version"])
"""


@pytest.fixture(autouse=True)
def _needs_root() -> None:
    if os.geteuid() != 0:
        missing("starting a private Docker daemon needs root")


@pytest.fixture
def run_directories() -> Iterator[list[Path]]:
    """Directories that a test has seen daemons use; nothing of them may be left."""
    seen: list[Path] = []
    yield seen
    assert seen
    for directory in seen:
        assert not directory.exists()
        assert list(Path("/sys/fs/cgroup").glob(f"{directory.name}")) == []
        assert list(Path("/sys/fs/cgroup").glob(f"*/{directory.name}")) == []
        assert str(directory) not in Path("/proc/self/mountinfo").read_text()
        assert [pid for pid in _pids() if str(directory) in _command_line(pid)] == []


def test_two_daemons_and_the_exit_code(run_directories: list[Path]) -> None:
    done = subprocess.run(
        [SCRIPT, "sh", "-c", f"{SAY}; '{sys.executable}' -c '{VERSIONS}'; exit 3"],
        env=_without_daemons(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    addresses, usual, modern = done.stdout.splitlines()
    run_directories += [Path(address.removeprefix("unix://")).parent for address in addresses.split()]
    assert done.returncode == 3
    assert usual
    assert int(modern.split(".")[0]) >= 23


def test_a_signal_ends_all(run_directories: list[Path]) -> None:
    command = [str(SCRIPT), sys.executable, "-c", WAIT]
    with subprocess.Popen(command, env=_without_daemons(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = process.stdout.readline().split()
        run_directories += [Path(address.removeprefix("unix://")).parent for address in addresses]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 9
        assert process.stdout.read() == "told\n"


@pytest.mark.engine("docker")
@pytest.mark.engine("docker-modern")
def test_daemons_that_answer_are_used() -> None:
    done = subprocess.run(
        [SCRIPT, "sh", "-c", SAY], stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S
    )
    assert done.stdout.split()[1] == os.environ["CAPMIN_TEST_DOCKER_MODERN"]


def test_without_a_command_it_explains_itself() -> None:
    done = subprocess.run([SCRIPT], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "CAPMIN_TEST_DOCKER_MODERN" in done.stderr


def _without_daemons() -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": NOWHERE, "CAPMIN_TEST_DOCKER_MODERN": NOWHERE}


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
