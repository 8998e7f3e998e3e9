"""What is known of the workloads is what a search finds, and what `results/` and the READMEs say.

- Searched on runc, a workload needs exactly the capabilities of its expected.json.
- With the scenario of the first start alone fewer are found: it is the restart that asks for the rest, and
  `capmin explain` names it.
- The committed results are of these workloads, confirmed every time, with a proof for every capability.
- Searched on Docker (`make results-docker`) the capabilities are the same.
- Each README has a line on every capability needed, and on no other.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from capmin.explain import explain
from capmin.explain.model import KEPT as KEPT_FATES
from capmin.records import load
from capmin.seccomp import FLOOR, SeccompProfile
from capmin.workload import find_workloads
from tests.integration.searching import Searcher

ROOT = Path(__file__).parents[2]
WORKLOADS = find_workloads(ROOT / "workloads")
COMMITTED = [workload for workload in WORKLOADS if (ROOT / "results" / workload.name).is_dir()]
ON_DOCKER = [ROOT / "workloads" / name for name in ("nginx", "postgres", "board-node", "board-mariadb")]
KEPT = ("result.json", "seccomp.json", "run.sh", "trials.csv", "trials.parquet", "search.png")

# Those of the imageboard take minutes to build and to start; `make results` searches them.
# nginx is searched in test_nginx.
SEARCHED = [workload for workload in COMMITTED if not workload.name.startswith(("board-", "nginx"))]


def expected(workload: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((workload / "expected.json").read_text())
    return document


def name(workload: Path) -> str:
    return workload.name


def only(workload: Path, scenario: str, folder: Path) -> Path:
    """A copy of a workload, of the same name, with one of its scenarios."""
    copy = folder / workload.name
    shutil.copytree(workload, copy)
    file = copy / "workload.toml"
    head, *scenarios = re.split(r"^(?=\[\[scenario\]\]$)", file.read_text(), flags=re.MULTILINE)
    kept = [text for text in scenarios if f'name = "{scenario}"' in text]
    assert len(kept) == 1
    file.write_text(head + kept[0])
    return copy


def capabilities(search: Searcher, workload: Path) -> list[str]:
    arguments = ("--engine", "runc", "--no-syscalls", "--confirm", "2", "--fresh")
    done = search("--workload", str(workload), *arguments)
    required: list[str] = done.result["capabilities"]["required"]
    return required


@pytest.mark.engine("runc")
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workload", SEARCHED, ids=name)
def test_a_search_finds_what_is_known(search: Searcher, workload: Path) -> None:
    assert capabilities(search, workload) == expected(workload)["capabilities"]


@pytest.mark.engine("runc")
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workload", [each for each in COMMITTED if "only" in expected(each)], ids=name)
def test_one_scenario_alone_asks_for_less(search: Searcher, workload: Path, tmp_path: Path) -> None:
    for scenario, known in expected(workload)["only"].items():
        assert set(known) < set(expected(workload)["capabilities"])
        assert capabilities(search, only(workload, scenario, tmp_path)) == known


@pytest.mark.parametrize("workload", [each for each in COMMITTED if "only" in expected(each)], ids=name)
def test_an_explanation_names_the_scenario_that_asked(workload: Path) -> None:
    reasons = explain(load(ROOT / "results" / workload.name)).of(*KEPT_FATES)
    asked = {reason.privilege: reason.scenario for reason in reasons if reason.is_capability}
    assert set(asked) == set(expected(workload)["capabilities"])
    for scenario, known in expected(workload)["only"].items():
        of_others = {asked[name] for name in asked if name not in known}
        assert None not in of_others
        assert scenario not in of_others


@pytest.mark.parametrize("workload", COMMITTED, ids=name)
def test_the_committed_results_are_confirmed(workload: Path) -> None:
    folder = ROOT / "results" / workload.name
    result = json.loads((folder / "result.json").read_text())
    required = result["capabilities"]["required"]
    assert required == expected(workload)["capabilities"]
    assert result["image"]["reference"] == f"capmin/{workload.name}:latest"
    assert result["confirmation"]["passed"] == result["confirmation"]["runs"] >= 10
    assert set(required) <= {entry["privilege"] for entry in result["certificate"]}
    profile = SeccompProfile.from_oci(json.loads((folder / "seccomp.json").read_text()))
    assert profile.allowed == FLOOR | set(result["syscalls"]["required"])


@pytest.mark.parametrize("workload", ON_DOCKER, ids=name)
def test_docker_gives_the_same_answer(workload: Path) -> None:
    result = json.loads((ROOT / "results" / f"{workload.name}-docker" / "result.json").read_text())
    assert result["engine"]["search"].startswith("docker ")
    assert result["image"]["reference"] == f"capmin/{workload.name}:latest"
    assert result["capabilities"]["required"] == expected(workload)["capabilities"]
    assert result["confirmation"]["passed"] == result["confirmation"]["runs"] >= 10


@pytest.mark.parametrize("workload", COMMITTED, ids=name)
def test_the_committed_results_are_small_and_whole(workload: Path) -> None:
    folder = ROOT / "results" / workload.name
    assert sum((folder / file).stat().st_size for file in KEPT) < 500_000


@pytest.mark.parametrize("workload", WORKLOADS, ids=name)
def test_a_readme_says_why_each_is_needed(workload: Path) -> None:
    rows = re.findall(r"^\| (CAP_[A-Z_]+) \|", (workload / "README.md").read_text(), flags=re.MULTILINE)
    assert rows == expected(workload)["capabilities"]
