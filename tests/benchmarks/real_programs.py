"""What searches of real programs cost, and whether brute force finds their answers right.

    python -m tests.benchmarks.real_programs [--kind syscalls|capabilities] [--only NAME]...
                                             [--proofs exact|presumed] [--output DIR] [--json]

Each program of ``real_programs.toml`` is searched for system calls by ``capmin search`` on the runc engine,
and then once more with the same store, so that the answer found is remembered. Each case of
``real_capabilities.toml`` is searched for capabilities, from all that the host can give.

The lower bound is k + 1 trials for an answer of k privileges. *Trials* are those of the search and of the
certificate, as in `corpus`; *all* counts the launches before it, too, with everything granted, that show how
long the program takes and which calls it makes. There are 5, which are most of the cost of a program of few
privileges. The launches that confirm the files as written are in neither.

A *right* answer passes, and does not without any single one of its privileges: see `brute_check`. These
programs are in no prior that ships with capmin, and are not to be: they would no longer be a test.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from capmin.campaign import Proofs
from tests.benchmarks.brute_check import Checked
from tests.benchmarks.real_cases import Kind, Row, every_case, run_all
from tests.benchmarks.real_search import Search, SearchFailed

HEADER = (
    f"{'':24}{'k':>4}{'trials':>8}{'all':>5}{'ratio':>7}{'all':>6} |"
    f"{'again':>6}{'all':>5}{'ratio':>7}{'all':>6}  |"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Means over cases of a kind; ratios are to the lower bound, *right* is a share of all answers."""

    cases: int
    mean_ratio: float
    mean_all_ratio: float
    mean_ratio_again: float
    mean_all_ratio_again: float
    mean_trials: float
    mean_alternatives: float
    mean_all_trials: float
    right: float


def summary(some: Sequence[Row]) -> Summary:
    first, again = [row.first for row in some], [row.again for row in some]
    checked = [checked.right for row in some for checked in (row.checked, row.checked_again)]
    return Summary(
        cases=len(some),
        mean_ratio=mean(each.ratio for each in first),
        mean_all_ratio=mean(each.all_ratio for each in first),
        mean_ratio_again=mean(each.ratio for each in again),
        mean_all_ratio_again=mean(each.all_ratio for each in again),
        mean_trials=mean(each.trials for each in first),
        mean_alternatives=mean(each.alternatives for each in first),
        mean_all_trials=mean(each.all_trials for each in first),
        right=mean(checked),
    )


def line(row: Row) -> str:
    """One case: what the first search cost, what the second did, and what brute force has to say."""
    unproven = len(row.first.kept) - row.first.certified
    return (
        f"{row.name:24}{len(row.first.kept):4} {_figures(row.first)} |{_figures(row.again)}  | "
        f"{_verdict(row)}{f', {unproven} unproven' if unproven else ''}"
    )


def _figures(each: Search) -> str:
    return f"{each.trials:6} {each.all_trials:4} {each.ratio:6.2f} {each.all_ratio:5.2f}"


def _verdict(row: Row) -> str:
    words = list(dict.fromkeys([_fault(row.checked), _fault(row.checked_again)]))
    if other := sorted(row.first.kept ^ row.again.kept):
        words.append(f"again another answer: {' '.join(other)}")
    return ", ".join(words)


def _fault(checked: Checked) -> str:
    if not checked.works:
        return "fails"
    if checked.removable:
        return f"can do without {' '.join(sorted(checked.removable))}"
    return f"storms without {' '.join(sorted(checked.stormy))}" if checked.stormy else "right"


def last_lines(kind: Kind, some: Sequence[Row]) -> str:
    found = summary(some)
    lines = [
        f"{kind}, mean of {found.cases}:",
        f"  trials / (k + 1) {found.mean_ratio:.2f}, all {found.mean_all_ratio:.2f}",
        f"  again {found.mean_ratio_again:.2f}, all {found.mean_all_ratio_again:.2f}",
        f"  trials {found.mean_trials:.1f}, all {found.mean_all_trials:.1f}",
        f"  right {found.right:.3f}",
    ]
    if kind is Kind.CAPABILITIES:
        lines.append(f"  of the trials {found.mean_alternatives:.1f} looked for other sets")
    return "\n".join(lines)


def as_json(every: Sequence[Row]) -> str:
    document = {
        kind.name.lower(): {
            **{name: round(value, 4) for name, value in asdict(summary(some)).items()},
            "table": {row.name: _entry(row) for row in some},
        }
        for kind in Kind
        if (some := [row for row in every if row.kind is kind])
    }
    return json.dumps(document, indent=1)


def _entry(row: Row) -> dict[str, Any]:
    return {
        "first": _search_entry(row.first, row.checked),
        "again": _search_entry(row.again, row.checked_again),
    }


def _search_entry(each: Search, checked: Checked) -> dict[str, Any]:
    return {
        "kept": sorted(each.kept),
        "certified": each.certified,
        "trials": each.trials,
        "all_trials": each.all_trials,
        "lower_bound": each.lower_bound,
        "phases": dict(each.phases),
        "wall_s": each.wall_s,
        "works": checked.works,
        "stormy": sorted(checked.stormy),
        "removable": sorted(checked.removable),
        "degraded": sorted(checked.degraded),
    }


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.real_programs")
    parser.add_argument("--kind", choices=[kind.name.lower() for kind in Kind])
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="of a program or a case")
    parser.add_argument("--proofs", choices=[kind.value for kind in Proofs], help="as of capmin search")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keeps the searches: a new directory")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.output is not None and chosen.output.exists():
        parser.error(
            f"{chosen.output} exists: what was found there would be remembered; name a new directory"
        )
    return chosen


def main(arguments: Sequence[str]) -> int:
    """Run and print; 1 where a search has failed, or an answer is wrong."""
    chosen = parse(arguments)
    cases = [
        case
        for case in every_case()
        if chosen.kind in (None, case.kind.name.lower())
        and (not chosen.only or case.scenario.name in chosen.only)
    ]
    options = () if chosen.proofs is None else ("--proofs", chosen.proofs)
    every: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="capmin-") as scratch:
        print(HEADER, file=sys.stderr)
        for row in run_all(cases, chosen.output or Path(scratch), options):
            if isinstance(row, SearchFailed):
                print(row, file=sys.stderr)
            else:
                every.append(row)
                print(line(row), file=sys.stderr if chosen.json else sys.stdout, flush=True)
    print(as_json(every) if chosen.json else _all_last_lines(every))
    right = all(row.checked.right and row.checked_again.right for row in every)
    return 0 if right and len(every) == len(cases) else 1


def _all_last_lines(every: Sequence[Row]) -> str:
    kinds = {kind: [row for row in every if row.kind is kind] for kind in Kind}
    return "\n".join(last_lines(kind, some) for kind, some in kinds.items() if some)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
