"""``capmin workload``: lists, checks and composes what is there, by path or by name."""

import json
from pathlib import Path

import pytest

from capmin.cli import main


@pytest.fixture(autouse=True)
def _workloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("web", "store"):
        folder = tmp_path / "workloads" / name
        folder.mkdir(parents=True)
        (folder / "workload.toml").write_text(
            f'description = "the {name}"\n[image]\nreference = "{name}:1"\n[[scenario]]\ntest = "true"\n'
        )
    monkeypatch.chdir(tmp_path)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "store  the store",
        "       scenarios: test",
        "web    the web",
        "       scenarios: test",
    ]


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "list", "--format", "json", "web"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["workloads"] == [
        {
            "name": "web",
            "path": "workloads/web/workload.toml",
            "description": "the web",
            "image": "web:1",
            "scenarios": ["test"],
        }
    ]


def test_build_gives_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "build", "web"]) == 0
    assert capsys.readouterr().out == "web:1\n"


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "check", "web", "workloads/store"]) == 0
    Path("workloads/web/workload.toml").write_text("[image]\nreference = 1\n")
    assert main(["workload", "check"]) == 2
    assert "capmin: workloads/web/workload.toml:2: image.reference: " in capsys.readouterr().err


def test_compose_writes_a_file_and_its_filters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads((Path(__file__).parents[2] / "integration/chown_result.json").read_text())
    found["image"]["reference"] = "web:1"
    results = tmp_path / "results" / "web"
    results.mkdir(parents=True)
    (results / "result.json").write_text(json.dumps(found))
    file = Path("workloads/web/workload.toml")
    file.write_text(f"{file.read_text()}service = true\n")
    assert main(["workload", "compose", "web", "-o", "stack"]) == 0
    assert capsys.readouterr().out.splitlines() == ["stack/compose.yaml", "stack/web.seccomp.json"]
    assert "image: web:1" in Path("stack/compose.yaml").read_text()
    assert json.loads(Path("stack/web.seccomp.json").read_text())["syscalls"]


def test_compose_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "compose", "web", "-o", "stack"]) == 2
    assert capsys.readouterr().err == (
        "capmin: web has no result at results/web: "
        "capmin search --workload workloads/web --output results/web\n"
    )
    assert not Path("stack").exists()


def test_none_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main(["workload", "list"]) == 2
    assert main(["workload", "check", "web"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("capmin: no workloads in ")
    assert second == "capmin: no workload at workloads/web: there is no workloads/web"
