"""What searches cost, in trials, against the lower bound: k + 1 for an answer of k privileges.

    python -m tests.benchmarks.search_cost

Of each workload the search on record in results/ is taken, or where there is none it is searched on the spot.
"""

import json
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from capmin.cli import main as capmin
from capmin.workload import find_workloads

ROOT = Path(__file__).parents[2]


def main() -> None:
    print("Trials of a whole search against the lower bound")
    print("  workload        kept trials  bound  ratio  launches  seconds")
    for workload in find_workloads(ROOT / "workloads"):
        recorded = ROOT / "results" / workload.name / "result.json"
        result = json.loads(recorded.read_text()) if recorded.exists() else _search(workload)
        print(f"  {workload.name:14} " + ("cannot be searched here" if result is None else _row(result)))


def _search(workload: Path) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as output, redirect_stdout(StringIO()) as stdout:
        options = ["--output", output, "--format", "json"]
        return (
            json.loads(stdout.getvalue())
            if capmin(["search", "--workload", str(workload), *options]) == 0
            else None
        )


def _row(result: dict[str, Any]) -> str:
    trials = result["trials"]
    ratio = trials["total"] / trials["lower_bound"]
    return (
        f"{trials['lower_bound'] - 1:5} {trials['total']:6} {trials['lower_bound']:6} {ratio:6.2f} "
        f"{trials['launches']:9} {result['wall_s']:8.1f}"
    )


if __name__ == "__main__":
    main()
