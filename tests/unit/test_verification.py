"""Judging by several launches, finding what lacks though launches fail by chance, and widening a filter."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Needs, Program, Tries
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.profile_files import GivenProfile
from capmin.scenario import Scenario, parse_command
from capmin.seccomp import docker_default
from capmin.verification import Verification, Wish, at_least, verify
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


FAILS_NOW_AND_THEN = Program(
    steps=(
        Needs("mkdir"),
        Needs("CAP_CHOWN"),
        *(Tries(name) for name in ("CAP_KILL", "socket", "personality", "fchown", "chmod", "unlink")),
    ),
    flake_rate=0.05,
)


def held(seed: int) -> Verification:
    """A profile without `mkdir` and CAP_CHOWN, on an engine that shows no denials."""
    engine = SimulatedEngine(
        {"image": FAILS_NOW_AND_THEN}, observes_syscalls=False, observes_capabilities=False, seed=seed
    )
    default = docker_default(DOCKER_DEFAULT, engine.architecture)
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name != "mkdir")) for rule in default.rules
    )
    given = GivenProfile(
        source="test",
        kind="filter",
        capabilities=DOCKER_DEFAULT - {Capability("CAP_CHOWN")},
        seccomp=replace(default, rules=tuple(rule for rule in rules if rule.names)),
    )
    scenario = Scenario(test=parse_command("true"))
    with ThreadPoolExecutor(1) as executor:
        wish = Wish(image="image", scenarios=(scenario,), given=given, runs=2)
        return verify(wish, engine, executor, lambda *_: None)


def test_a_failure_by_chance_is_no_lack() -> None:
    found = [tuple(lack.privilege for lack in held(seed).lacks) for seed in range(20)]
    assert found == [("CAP_CHOWN", "mkdir")] * 20
