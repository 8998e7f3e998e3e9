"""What is known of the workloads is what a search finds, and what `results/` and the READMEs say.

- Searched on runc, a workload needs exactly the capabilities of its expected.json.
- The committed results are of these workloads, confirmed every time, with a proof for every capability.
- Each README has a line on every capability needed, and on no other.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from capmin.seccomp import FLOOR, SeccompProfile
from capmin.workload import find_workloads
from tests.integration.searching import Searcher

ROOT = Path(__file__).parents[2]
WORKLOADS = find_workloads(ROOT / "workloads")
# Not yet: postgres, sshd and the imageboard, whose whole campaigns have not been confirmed.
COMMITTED = [workload for workload in WORKLOADS if (ROOT / "results" / workload.name).is_dir()]
KEPT = ("result.json", "seccomp.json", "run.sh", "trials.csv", "trials.parquet", "search.png")

# Those of the imageboard take minutes to build and to start; `make results` searches them.
SEARCHED = [workload for workload in COMMITTED if not workload.name.startswith("board-")]


def expected(workload: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((workload / "expected.json").read_text())
    return document


def name(workload: Path) -> str:
    return workload.name


def capabilities(search: Searcher, workload: Path) -> list[str]:
    done = search("--workload", str(workload), "--engine", "runc", "--no-syscalls", "--fresh")
    required: list[str] = done.result["capabilities"]["required"]
    return required


@pytest.mark.engine("runc")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workload", SEARCHED, ids=name)
def test_a_search_finds_what_is_known(search: Searcher, workload: Path) -> None:
    assert capabilities(search, workload) == expected(workload)["capabilities"]


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


@pytest.mark.parametrize("workload", COMMITTED, ids=name)
def test_the_committed_results_are_small_and_whole(workload: Path) -> None:
    folder = ROOT / "results" / workload.name
    assert sum((folder / file).stat().st_size for file in KEPT) < 500_000


@pytest.mark.parametrize("workload", WORKLOADS, ids=name)
def test_a_readme_says_why_each_is_needed(workload: Path) -> None:
    rows = re.findall(r"^\| (CAP_[A-Z_]+) \|", (workload / "README.md").read_text(), flags=re.MULTILINE)
    assert rows == expected(workload)["capabilities"]
