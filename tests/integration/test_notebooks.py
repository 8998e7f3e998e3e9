"""The notebooks run from top to bottom over what is in results/, and define nothing.

- No cell fails, and none warns.
- Figures are drawn.
- What one engine needs and another does not is named, and nothing else is.
- They call the package, and have no functions or classes of their own.
- They are committed without output, so that a change of one is a change of its words.
"""

import ast
import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from capmin.recall import read_result
from tests.conftest import missing

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPARISON = ROOT / "notebooks" / "comparison.ipynb"


def read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def code_of(path: Path) -> str:
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    return "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith("%"))


def test_there_are_some() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"tour", "comparison"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not list((ROOT / "results").glob("*/result.json")):
        missing("there are no results/: make demo makes some")
    monkeypatch.setenv("PYTHONWARNINGS", "error::FutureWarning")
    notebook = executed(path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def executed(path: Path) -> nbformat.NotebookNode:
    notebook = read(path)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


@pytest.mark.parametrize("dropped", [[], ["CAP_CHOWN", "accept4"]], ids=["nothing", "some"])
def test_what_engines_disagree_on_is_named(
    dropped: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nginx", "nginx-docker", "redis"):
        (tmp_path / name).mkdir()
        for kept in ("result.json", "trials.parquet"):
            shutil.copy(ROOT / "results" / name / kept, tmp_path / name / kept)
    result = dict(read_result(tmp_path / "nginx-docker"))
    needed = [name for kind in ("capabilities", "syscalls") for name in result[kind]["required"]]
    for kind in ("capabilities", "syscalls"):
        result[kind]["required"] = [name for name in result[kind]["required"] if name not in dropped]
    (tmp_path / "nginx-docker" / "result.json").write_text(json.dumps(result))
    monkeypatch.setenv("CAPMIN_RESULTS", str(tmp_path))
    (cell,) = (each for each in executed(COMPARISON).cells if each.id == "disagreement")
    table: str = cell.outputs[0].data["text/plain"]
    assert [name for name in needed if name in table.split()] == dropped
    assert "redis" not in table


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_defines_nothing(path: Path) -> None:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not any(isinstance(node, definitions) for node in ast.walk(ast.parse(code_of(path))))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_output(path: Path) -> None:
    assert all(not cell.outputs for cell in read(path).cells if cell.cell_type == "code")
