"""Settings and the shell.

- The command line comes before ``CAPMIN_*``, that before the file, that before the default; what is for one
  command before what is for all.
- The nearest file counts: capmin.toml, or [tool.capmin] in pyproject.toml.
- A mistake in it is told with file and line.
- Nothing is coloured. Shells complete commands, options and choices.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from capmin.cli import COMMANDS, main

CAPMIN = Path(sys.executable).with_name("capmin")
RESULT = Path(__file__).parents[2] / "integration" / "data" / "nginx"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CAPMIN_")]:
        monkeypatch.delenv(name)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")


@pytest.fixture
def form(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Which format `capmin diff` uses."""

    def run(*argv: str) -> str:
        assert main(["diff", str(RESULT), str(RESULT), *argv]) == 0
        output = capsys.readouterr().out
        return "json" if output.startswith("{") else "text"

    return run


def test_the_order(form: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert form() == "text"
    Path("capmin.toml").write_text('format = "json"')
    assert form() == "json"
    monkeypatch.setenv("CAPMIN_FORMAT", "text")
    assert form() == "text"
    assert form("--format", "json") == "json"
    monkeypatch.setenv("CAPMIN_DIFF_FORMAT", "json")
    assert form() == "json"


def test_for_one_command(form: Callable[..., str]) -> None:
    Path("capmin.toml").write_text('format = "json"\nworkers = 2\n[diff]\nformat = "text"\n')
    assert form() == "text"
    Path("capmin.toml").write_text('[search]\nworkers = 2\n[emit]\nformat = "oci"\n')
    assert form() == "text"


def test_commands_in_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("workloads/web")
    folder.mkdir(parents=True)
    (folder / "workload.toml").write_text('[image]\nreference = "web:1"\n[[scenario]]\ntest = "true"\n')
    for text in ('format = "json"', '[workload.list]\nformat = "json"\n'):
        Path("capmin.toml").write_text(text)
        assert main(["workload", "list"]) == 0
        assert json.loads(capsys.readouterr().out)["workloads"][0]["name"] == "web"


def test_the_nearest_file_counts(form: Callable[..., str]) -> None:
    Path("../pyproject.toml").write_text('[tool.capmin]\nformat = "json"\n')
    assert form() == "json"
    Path("pyproject.toml").write_text("[tool.other]\n")
    assert form() == "json"
    Path("capmin.toml").write_text("")
    assert form() == "text"


def test_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    new = json.loads((RESULT / "result.json").read_text())
    new["syscalls"]["required"].pop()
    Path("new.json").write_text(json.dumps(new))
    argv = ["diff", str(RESULT), "new.json"]
    assert main(argv) == 0
    Path("capmin.toml").write_text("[diff]\nexit-code = true\n")
    assert main(argv) == 1
    monkeypatch.setenv("CAPMIN_DIFF_EXIT_CODE", "false")
    assert main(argv) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format = 3", "capmin.toml:1: format: "),
        ('\n[diff]\n# a comment\nformat = "xml"', "capmin.toml:4: diff.format: 'xml' is not one of"),
        (
            "[diff]\nfromat = 1",
            "capmin.toml:2: diff.fromat: no such option of capmin diff (there are exit-code, ",
        ),
        ("wokers = 2", "capmin.toml:1: wokers: no command has such an option"),
        ("[diff]\nexit-code = 1", "capmin.toml:2: diff.exit-code: say true or false"),
        ("a = [", "capmin.toml: not TOML"),
        ("[dif]\n", "capmin.toml:1: dif: there is no such command"),
    ],
)
def test_mistakes(text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("capmin.toml").write_text(text)
    assert main(["diff", str(RESULT), str(RESULT)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) <= 2


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {}])
def test_nothing_is_coloured(environment: dict[str, str]) -> None:
    for argv in (["--help"], ["nonsense"], ["diff", str(RESULT), str(RESULT)]):
        done = subprocess.run(
            [CAPMIN, *argv], capture_output=True, check=False, env={**os.environ, **environment}
        )
        assert b"\x1b" not in done.stdout + done.stderr


def complete(line: str) -> set[str]:
    """What bash would be offered at the end of a line."""
    words = line.split(" ")
    environment = {"_CAPMIN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [CAPMIN], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return {offer.rpartition(",")[2] for offer in done.stdout.splitlines()}


def test_completion() -> None:
    assert complete("capmin ver") == {"verify"}
    assert complete("capmin ") == set(COMMANDS)
    assert {"--workload", "--workers"} <= complete("capmin verify --work")
    assert complete("capmin search --engine r") == {"runc"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(shell: str) -> None:
    environment = {**os.environ, "_CAPMIN_COMPLETE": f"{shell}_source"}
    done = subprocess.run([CAPMIN], capture_output=True, text=True, check=True, env=environment)
    assert "_CAPMIN_COMPLETE" in done.stdout
    if shell == "bash":
        script = f"{done.stdout}\ncomplete -p capmin"
        shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert "_capmin_completion" in shown.stdout
