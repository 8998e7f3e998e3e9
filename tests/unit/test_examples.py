"""The examples are what their readers take, and every capmin line in them is one that the program takes.

Both were tried by hand: the Containerfile was built with podman 4.3.1, from a Debian made by mmdebstrap, and
``capmin search``, ``doctor`` and ``check`` were run in it; of the workflow only the commands, as here.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from capmin.cli import cli
from capmin.yaml_files import read_yaml_documents

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "examples" / "github-actions.yaml"
CONTAINERFILE = (ROOT / "examples" / "Containerfile").read_text()


def _steps() -> list[str]:
    [workflow] = read_yaml_documents(WORKFLOW.read_text(), "workflow")
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def _capmin_lines(text: str) -> list[list[str]]:
    """What stands behind capmin, up to a pipe or a redirection."""
    joined = text.replace("\\\n", " ").splitlines()
    lines = (shlex.split(line) for line in joined if line.startswith(("capmin ", "sudo ", "docker run ")))
    found = []
    for words in lines:
        places = [place for place, word in enumerate(words) if word in ("capmin", "$(command -v capmin)")]
        rest = words[places[-1] + 1 :] if places else []
        end = next((place for place, word in enumerate(rest) if word in (">", ">>", "|", ".")), len(rest))
        if rest[:end]:
            found.append(rest[:end])
    return found


IN_WORKFLOW = [argv for step in _steps() for argv in _capmin_lines(step)]
IN_CONTAINERFILE = _capmin_lines(re.sub(r"^#\s*", "", CONTAINERFILE, flags=re.MULTILINE))


def test_the_workflow_is_valid() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(WORKFLOW)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shells_take_its_steps() -> None:
    for step in _steps():
        done = subprocess.run(["bash", "-n"], input=step, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_there_are_lines_to_test() -> None:
    assert {argv[0] for argv in IN_WORKFLOW} == {"check", "verify", "search", "diff"}
    assert [argv[0] for argv in IN_CONTAINERFILE] == ["search", "search"]


@pytest.mark.parametrize("argv", [*IN_WORKFLOW, *IN_CONTAINERFILE], ids=" ".join)
def test_the_program_takes_every_line(argv: list[str], tmp_path: Path) -> None:
    context = click.Context(cli, info_name="capmin")
    name, command, rest = cli.resolve_command(context, list(argv))
    assert command is not None
    # Paths that an option wants to exist are the reader's.
    words = [str(tmp_path) if word == "$RESULT" else word for word in rest]
    command.make_context(name, words)


def test_the_image_has_every_program_that_make_setup_installs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    [programs] = re.findall(r"^packages:.*\n\t@\.ci/setup-packages (.*)$", makefile, re.MULTILINE)
    installed = set(re.findall(r"[a-z0-9-]+", CONTAINERFILE.partition("FROM ${BASE}\n")[2]))
    assert set(programs.split()) - {"python3-venv"} <= installed
