"""The benchmark on real programs, on two small ones; and its brute check, which has to find what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.scenario import SHELL, Scenario
from capmin.workload import load_workload
from tests.benchmarks.brute_check import BruteCheck, Checked
from tests.benchmarks.real_cases import FILES, HERE, Case, Kind, Row, run
from tests.benchmarks.real_programs import as_json, last_lines, line
from tests.conftest import Engines

pytestmark = pytest.mark.engine("runc")

COPY = Scenario(name="copy", test=(*SHELL, "cp /etc/passwd /tmp && rm /tmp/passwd"))
OWNER = Scenario(name="owner", test=("chown", "nobody", "/srv"))
CHOWN, KILL = Capability("CAP_CHOWN"), Capability("CAP_KILL")
LSEEK = Syscall("lseek")
USUAL = Grant(capabilities=DOCKER_DEFAULT)


@pytest.fixture
def row(
    engines: Engines, built: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Kind, Scenario], Row]:
    """Runs one case as the benchmark does."""
    image = built("tools")
    monkeypatch.setenv("CAPMIN_CACHE_DIR", str(engines.cache_dir))
    monkeypatch.setenv("CAPMIN_STATE_DIR", str(engines.state_dir))

    def run_case(kind: Kind, scenario: Scenario) -> Row:
        case = Case(kind=kind, image=image, scenario=scenario)
        return run(case, engines.open("runc"), tmp_path / scenario.name, ("--confirm", "2"))

    return run_case


@pytest.mark.long
def test_cost_and_check_of_two_programs(row: Callable[[Kind, Scenario], Row]) -> None:
    copied, owned = row(Kind.SYSCALLS, COPY), row(Kind.CAPABILITIES, OWNER)
    assert Syscall("unlinkat") in copied.first.kept
    assert owned.first.kept == {CHOWN}
    for each in (copied, owned):
        assert each.checked.right
        assert each.checked_again.right
        assert each.first.certified == len(each.first.kept)
        assert each.again.phases["recall"] == 1
        assert each.again.all_trials < each.first.all_trials
        assert line(each).endswith("| right")
    document = json.loads(as_json([copied, owned]))
    assert document["syscalls"]["right"] == document["capabilities"]["right"] == 1.0
    assert document["syscalls"]["table"]["copy"]["first"]["kept"] == sorted(copied.first.kept)
    assert "mean of 1" in last_lines(Kind.SYSCALLS, [copied])


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({CHOWN}, Checked(works=True)),
        ({CHOWN, KILL}, Checked(works=True, removable=frozenset({KILL}))),
        ({KILL}, Checked(works=False)),
    ],
)
def test_brute_force_finds_what_is_wrong(
    engines: Engines, built: Callable[[str], str], kept: set[Capability], expected: Checked
) -> None:
    check = BruteCheck(engine=engines.open("runc"), image=built("tools"), scenario=OWNER, everything=USUAL)
    found = check.check(USUAL.with_capabilities(kept), frozenset(kept))
    assert found == expected
    assert found.right == (kept == {CHOWN})


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"creat", "lseek", "pread64", "readlinkat"}, Checked(works=True, degraded=frozenset({LSEEK}))),
        ({"creat", "pread64", "readlinkat"}, Checked(works=True, stormy=frozenset({LSEEK}))),
    ],
)
def test_brute_force_finds_storms(
    engines: Engines, built: Callable[[str], str], kept: set[str], expected: Checked
) -> None:
    """tar denied lseek asks again for each of 200 files; with it, it asks twice in all."""
    scenario = Scenario(name="archive", test=("tar", "-cf", "/etc.tar", "/etc"))
    check = BruteCheck(engine=engines.open("runc"), image=built("tools"), scenario=scenario, everything=USUAL)
    names = frozenset(map(Syscall, kept))
    found = check.check(USUAL.with_syscalls(names), names)
    assert found == expected
    assert found.right == (LSEEK in kept)


@pytest.mark.parametrize(("kind", "least"), [(Kind.SYSCALLS, 15), (Kind.CAPABILITIES, 12)])
def test_there_are_enough_cases(kind: Kind, least: int) -> None:
    assert len(load_workload(HERE / FILES[kind]).scenarios) >= least
