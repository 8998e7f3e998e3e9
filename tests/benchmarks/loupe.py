"""Make a corpus of Loupe's results: of all applications that another corpus does not have.

    git clone https://github.com/unikraft/loupedb
    python -m tests.benchmarks.loupe loupedb --without KNOWN.json > HELD_OUT.json

Loupe denied each system call of an application alone and ran its tests (H. Lefeuvre et al., "Loupe:
Driving the Development of OS Compatibility Layers", ASPLOS 2024; its results are under CC BY 4.0). Of each
run ``data/dyn.csv`` has, for each system call by its x86-64 number, whether it was used, and whether the
tests passed with it faked, with it answered ENOSYS, and with both. Needed is what was used and passed neither
with ENOSYS nor with both.

What is known of the applications of a corpus is no test for priors learnt from it. So applications are left
out as a whole, and with ``--without`` the rest is a corpus that nothing was learnt from.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from capmin.privileges.syscall import names_by_number
from tests.benchmarks.programs import read_corpus

RUN = "*/*/*/data/dyn.csv"
"""Application, workload, hash of the environment."""


def workloads(database: Path, *, without: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The runs of all applications but these, in the order of their paths."""
    for path in sorted(database.glob(RUN)):
        directory = path.parent.parent.relative_to(database)
        if directory.parts[0] not in without:
            yield {"workload": str(directory), "app": directory.parts[0], **_calls(path)}


def _calls(path: Path) -> dict[str, list[str]]:
    names = names_by_number("x86_64")
    used, needed = [], []
    for number, was_used, _, stubbed, both in _rows(path):
        name = names.get(int(number))
        # No kernel ever had getpmsg, and an application that tried it lacked nothing.
        if was_used == "Y" and name is not None:
            used.append(name)
            if "Y" not in (stubbed, both):
                needed.append(name)
    return {"used": sorted(used), "needed": sorted(needed)}


def _rows(path: Path) -> Iterator[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return csv.reader(line for line in lines if line and not line.startswith("#"))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.loupe")
    parser.add_argument("database", type=Path)
    parser.add_argument("--without", type=Path, metavar="CORPUS")
    chosen = parser.parse_args(arguments)
    known = () if chosen.without is None else read_corpus(chosen.without)
    rest = list(workloads(chosen.database, without=frozenset(each.app for each in known)))
    print(json.dumps({"source": "Loupe results database, CC BY 4.0", "workloads": rest}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
