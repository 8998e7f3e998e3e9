"""The real programs and what is searched for in each: two searches, and a check of both answers."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from capmin.engines import Engine, EngineOptions
from capmin.engines.places import cache_dir, state_dir
from capmin.engines.registry import open_engine
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.scenario import Scenario
from capmin.workload import load_workload
from tests.benchmarks.brute_check import BruteCheck, Checked
from tests.benchmarks.real_search import Search, SearchFailed, search

HERE = Path(__file__).parent


class Kind(StrEnum):
    """What is searched for."""

    SYSCALLS = "system calls"
    CAPABILITIES = "capabilities"


FILES = {Kind.SYSCALLS: "real_programs.toml", Kind.CAPABILITIES: "real_capabilities.toml"}
OPTIONS = {
    Kind.SYSCALLS: ("--no-capabilities",),
    Kind.CAPABILITIES: ("--no-syscalls", "--ceiling", "all"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One program, and its test."""

    kind: Kind
    image: str
    scenario: Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What came of one case; ``again`` is the search that remembered."""

    kind: Kind
    name: str
    first: Search
    again: Search
    checked: Checked
    checked_again: Checked


def every_case() -> list[Case]:
    """All cases; their images are built where they are not in the cache yet.

    Raises:
        EngineError: mmdebstrap is missing or failed.
    """
    cases = []
    for kind, file in FILES.items():
        workload = load_workload(HERE / file)
        image = workload.build()
        cases += [Case(kind=kind, image=image, scenario=scenario) for scenario in workload.scenarios]
    return cases


def run_all(cases: Sequence[Case], output: Path, options: Sequence[str]) -> Iterator[Row | SearchFailed]:
    """Run cases one after the other; ``options`` are further ones of ``capmin search``."""
    engine_options = EngineOptions(
        campaign=f"bench-{uuid.uuid4().hex[:8]}", state_dir=state_dir(), cache_dir=cache_dir()
    )
    with open_engine("runc", engine_options) as engine:
        for case in cases:
            try:
                yield run(case, engine, output / case.kind.name.lower() / case.scenario.name, options)
            except SearchFailed as error:
                yield error


def run(case: Case, engine: Engine, output: Path, options: Sequence[str]) -> Row:
    """Search twice and check both answers; ``engine`` is for the check alone.

    Raises:
        SearchFailed: there is no confirmed answer.
    """
    words = (*OPTIONS[case.kind], *options)
    first = search(case.image, case.scenario, output, words)
    again = search(case.image, case.scenario, output, words)
    everything = Grant(capabilities=_ceiling(case.kind) & engine.ceiling)
    check = BruteCheck(engine=engine, image=case.image, scenario=case.scenario, everything=everything)
    checked = {
        kept: check.check(_granting(everything, kept, case.kind), kept) for kept in {first.kept, again.kept}
    }
    return Row(
        kind=case.kind,
        name=case.scenario.name,
        first=first,
        again=again,
        checked=checked[first.kept],
        checked_again=checked[again.kept],
    )


def _ceiling(kind: Kind) -> frozenset[Capability]:
    return frozenset(CAPABILITIES) if kind is Kind.CAPABILITIES else DOCKER_DEFAULT


def _granting(everything: Grant, kept: frozenset[Privilege], kind: Kind) -> Grant:
    if kind is Kind.CAPABILITIES:
        return everything.with_capabilities(frozenset(CAPABILITIES) & kept)
    return everything.with_syscalls(map(Syscall, kept))
