"""Imports only point downwards, and every module has its place in the layers (pyproject.toml)."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _layers() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(entry["layers"] for entry in settings["contracts"] if entry["type"] == "layers")
    return {name.strip(" ()") for layer in layers for name in layer.replace(":", "|").split("|")}


def test_imports_point_downwards() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_has_a_layer() -> None:
    modules = {
        f"capmin.{path.stem}"
        for path in (ROOT / "capmin").iterdir()
        if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").exists()
    }
    assert modules - _layers() == set()


def test_one_module_runs_programs() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "capmin").rglob("*.py")
        if any(line.split()[:2] == ["import", "subprocess"] for line in path.read_text().splitlines())
    }
    assert users == {"capmin/engines/_process.py"}
