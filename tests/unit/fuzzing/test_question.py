"""How far around an answer grants are drawn; and counterexamples in files."""

import json
from pathlib import Path
from typing import Any

import pytest

from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Program, Tries
from capmin.errors import UsageError
from capmin.fuzzing import (
    Counterexample,
    Kind,
    Question,
    Reach,
    read_counterexample,
    write_counterexample,
)
from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.result import Confirmation
from tests.unit.campaigning import IMAGE, SCENARIO

CHOWN, KILL, SETUID = Capability("CAP_CHOWN"), Capability("CAP_KILL"), Capability("CAP_SETUID")
BIND, POLL, READ = Syscall("bind"), Syscall("poll"), Syscall("read")
DOCUMENT: dict[str, Any] = {
    "scenarios": [{"name": "one", "flake_rate": 0.1}, {"name": "two", "flake_rate": 0.5}],
    "capabilities": {"required": ["CAP_CHOWN"]},
    "syscalls": {"required": ["bind"], "observed": ["bind", "poll"], "errno": "EPERM"},
}
PROGRAM = Program(steps=tuple(Tries(name) for name in ("bind", "poll", "socket", "read")))


def question(document: dict[str, Any], *, reach: Reach = Reach.DEFAULT) -> Question:
    engine = SimulatedEngine({IMAGE: PROGRAM}, ceiling=DOCKER_DEFAULT)
    return Question.about(
        document,
        engine,
        image=IMAGE,
        scenarios=(SCENARIO,),
        ceiling=frozenset({CHOWN, KILL, Capability("CAP_SYS_ADMIN")}),
        reach=reach,
    )


def test_beyond_is_all_that_ceiling_host_and_filter_leave() -> None:
    found = question(DOCUMENT)
    assert found.answer == Grant(capabilities=frozenset({CHOWN}), syscalls=frozenset({BIND}))
    assert found.needed == (CHOWN, BIND)
    assert found.beyond == (KILL, POLL, Syscall("socket"))
    assert found.flake_rate == pytest.approx(0.55)


def test_what_was_observed_is_nearer() -> None:
    assert question(DOCUMENT, reach=Reach.OBSERVED).beyond == (KILL, POLL)


def test_a_kind_that_was_not_searched_stays_as_it_is() -> None:
    calls = question({**DOCUMENT, "capabilities": None})
    assert (calls.answer.capabilities, calls.needed) == (DOCKER_DEFAULT, (BIND,))
    assert not {*calls.beyond} & DOCKER_DEFAULT
    capabilities = question({**DOCUMENT, "syscalls": None})
    assert capabilities.answer == Grant(capabilities=frozenset({CHOWN}))
    assert capabilities.beyond == (KILL,)


def test_more_than_the_host_has_cannot_be_fuzzed() -> None:
    with pytest.raises(UsageError, match="CAP_BPF, which simulated cannot give on this host"):
        question({**DOCUMENT, "capabilities": {"required": ["CAP_BPF"]}})


TRAP = Counterexample(
    kind=Kind.TRAP,
    answer=Grant(capabilities=frozenset({CHOWN}), syscalls=frozenset({BIND})),
    granted=frozenset({SETUID, POLL}),
    lacking=frozenset({KILL}),
    seen=Confirmation(passed=5, runs=5),
    trial=7,
    reason="why",
    evidence="what",
)
PART = Counterexample(
    kind=Kind.PART,
    answer=Grant(capabilities=frozenset({CHOWN})),
    withheld=frozenset({CHOWN}),
    smallest=False,
    seen=Confirmation(passed=4, runs=5),
    trial=1,
)


@pytest.mark.parametrize("found", [TRAP, PART], ids=["trap", "part"])
def test_files_give_back_what_was_written(found: Counterexample, tmp_path: Path) -> None:
    file = write_counterexample(found, tmp_path, {"engine": "simulated 1"})
    assert read_counterexample(file) == found
    assert json.loads(file.read_text())["engine"] == "simulated 1"


def test_the_grant_is_the_answer_with_the_difference() -> None:
    assert TRAP.grant.privileges == {CHOWN, BIND, SETUID, POLL}
    assert PART.grant.privileges == set()
    assert TRAP.file_name != PART.file_name


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no JSON", "cannot read a counterexample from"),
        ("[]", "is not a counterexample of capmin fuzz"),
        ('{"schema": "capmin/counterexample/1"}', "is damaged: KeyError"),
    ],
)
def test_other_files_are_told_apart(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=words):
        read_counterexample(file)
