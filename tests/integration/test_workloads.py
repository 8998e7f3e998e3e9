"""What is known of the workloads is what a search finds, and what `results/` and the READMEs say.

- Searched on runc, a workload needs exactly the capabilities of its expected.json.
- With the scenario of the first start alone fewer are found: it is the restart that asks for the rest, and
  `capmin explain` names it.
- The committed results are of these workloads, small, confirmed every time, with a proof for every privilege.
- Searched on Docker (`make results-docker`) the answers are the same, in capabilities and in system calls.
  Only calls whose denial sets off a storm now and then may differ: expected.json names them, and says why.
- Each README has a line on every capability needed, and on no other.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from capmin.difference import difference
from capmin.explain import explain
from capmin.explain.model import KEPT as KEPT_FATES
from capmin.recall import read_result
from capmin.records import load
from capmin.seccomp import FLOOR, SeccompProfile
from capmin.workload import find_workloads
from tests.integration.searching import Searcher

ROOT = Path(__file__).parents[2]
WORKLOADS = find_workloads(ROOT / "workloads")
RESULTS = ROOT / "results"
COMMITTED = [workload for workload in WORKLOADS if (RESULTS / workload.name).is_dir()]
ON_DOCKER = ("nginx", "postgres", "board-node", "board-mariadb")
FOLDERS = [workload.name for workload in COMMITTED] + [f"{name}-docker" for name in ON_DOCKER]
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
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workload", SEARCHED, ids=name)
def test_a_search_finds_what_is_known(search: Searcher, workload: Path) -> None:
    assert capabilities(search, workload) == expected(workload)["capabilities"]


@pytest.mark.engine("runc")
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workload", [each for each in COMMITTED if "only" in expected(each)], ids=name)
def test_one_scenario_alone_asks_for_less(search: Searcher, workload: Path, tmp_path: Path) -> None:
    for scenario, known in expected(workload)["only"].items():
        assert set(known) < set(expected(workload)["capabilities"])
        assert capabilities(search, only(workload, scenario, tmp_path)) == known


@pytest.mark.parametrize("workload", [each for each in COMMITTED if "only" in expected(each)], ids=name)
def test_an_explanation_names_the_scenario_that_asked(workload: Path) -> None:
    reasons = explain(load(RESULTS / workload.name)).of(*KEPT_FATES)
    asked = {reason.privilege: reason.scenario for reason in reasons if reason.is_capability}
    assert set(asked) == set(expected(workload)["capabilities"])
    for scenario, known in expected(workload)["only"].items():
        of_others = {asked[name] for name in asked if name not in known}
        assert None not in of_others
        assert scenario not in of_others


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_committed_results_are_confirmed(folder: str) -> None:
    result = read_result(RESULTS / folder)
    workload = folder.removesuffix("-docker")
    capabilities, syscalls = result["capabilities"]["required"], result["syscalls"]["required"]
    assert capabilities == expected(ROOT / "workloads" / workload)["capabilities"]
    assert result["image"]["reference"] == f"capmin/{workload}:latest"
    assert result["confirmation"]["passed"] == result["confirmation"]["runs"] >= 10
    assert {*capabilities, *syscalls} == {entry["privilege"] for entry in result["certificate"]}
    profile = SeccompProfile.from_oci(json.loads((RESULTS / folder / "seccomp.json").read_text()))
    assert profile.allowed == FLOOR | set(syscalls)


@pytest.mark.parametrize("workload", ON_DOCKER)
def test_docker_gives_the_same_answer(workload: str) -> None:
    """What the tests fail without is the same, and so is what is always granted.

    What they pass without, but badly, is kept where a storm was seen: expected.json says if that takes luck.
    """
    on_runc, on_docker = read_result(RESULTS / workload), read_result(RESULTS / f"{workload}-docker")
    assert [each["engine"]["search"].split()[0] for each in (on_runc, on_docker)] == ["runc", "docker"]
    found = difference(on_runc, on_docker)
    assert found.conditions.keys() <= {"engine", "kernel"}
    assert found.capabilities is not None
    assert not found.capabilities
    assert found.syscalls is not None
    lucky = {change.privilege for change in (*found.syscalls.added, *found.syscalls.removed)}
    assert lucky <= {*on_runc["syscalls"]["degraded"], *on_docker["syscalls"]["degraded"]}
    assert lucky <= expected(ROOT / "workloads" / workload).get("storms", {}).keys()
    assert on_runc["syscalls"]["floor"] == on_docker["syscalls"]["floor"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_committed_results_are_small_and_whole(folder: str) -> None:
    assert sum((RESULTS / folder / file).stat().st_size for file in KEPT) < 500_000


@pytest.mark.parametrize("workload", WORKLOADS, ids=name)
def test_a_readme_says_why_each_is_needed(workload: Path) -> None:
    rows = re.findall(r"^\| (CAP_[A-Z_]+) \|", (workload / "README.md").read_text(), flags=re.MULTILINE)
    assert rows == expected(workload)["capabilities"]
