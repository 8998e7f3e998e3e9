"""Judging by several launches, and widening a filter."""

import pytest

from capmin.privileges import Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.seccomp import docker_default
from capmin.verification import at_least
from capmin.verification.bench import allowing


@pytest.mark.parametrize(
    ("failures", "runs", "rate", "chance"),
    [(1, 1, 0.0, 0.0), (0, 5, 0.3, 1.0), (1, 1, 0.1, 0.1), (2, 2, 0.1, 0.01), (1, 10, 0.1, 0.6513)],
)
def test_the_chance_of_failures(failures: int, runs: int, rate: float, chance: float) -> None:
    assert at_least(failures, runs, rate) == pytest.approx(chance, abs=1e-4)


def test_a_call_allowed_in_addition_has_no_conditions_left() -> None:
    calls = frozenset({Syscall("personality"), Syscall("mount")})
    before = docker_default(DOCKER_DEFAULT, "x86_64")
    after = allowing(before, calls)
    assert after.allowed == before.allowed | calls
    assert after.errno_for(Syscall("personality"), (0x20000, 0, 0, 0, 0, 0)) is None
    assert not any(rule.conditions for rule in after.rules if calls & {*rule.names})
