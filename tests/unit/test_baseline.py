"""The baseline: what works before anything is taken away, how long it takes, and how often it fails anyway.

- The usual grant where it suffices, else the ceiling; where neither does, an error with the last output.
- A steady test runs a few times, a flaky one often enough for a rate; a hopeless one is refused.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from capmin.baseline import FLAKY_RUNS, RUNS, Baseline, find_baseline
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Needs, NeedsLater, Program, Tries
from capmin.errors import BaselineError
from capmin.grant import Grant
from capmin.judge import Usual
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.trial import Granted, Trial, Verdict
from tests.unit.campaigning import IMAGE, launch, oracle_on

USUAL, ALL = Grant(capabilities=DOCKER_DEFAULT), Grant(capabilities=frozenset(CAPABILITIES))


def found(program: Program, *, ceiling: Grant = ALL, seed: int = 0) -> Baseline:
    oracle = oracle_on(SimulatedEngine({IMAGE: program}, seed=seed))
    with ThreadPoolExecutor(2) as executor:
        return find_baseline(oracle, executor, usual=USUAL, ceiling=ceiling)


def test_the_usual_grant_is_tried_first() -> None:
    baseline = found(Program(steps=(Needs("CAP_CHOWN"),)))
    assert baseline.grant == USUAL
    assert len(baseline.trials) == RUNS
    assert baseline.flake_rate == 0.0


def test_the_ceiling_where_the_usual_grant_is_too_small() -> None:
    baseline = found(Program(steps=(Needs("CAP_SYS_ADMIN"),)))
    assert baseline.grant == ALL
    assert len(baseline.trials) == RUNS
    assert {trial.verdict for trial in baseline.trials} == {Verdict.WORKS}


def test_what_fails_with_everything_is_refused_with_its_last_output() -> None:
    with pytest.raises(BaselineError) as refused:
        found(Program(steps=(NeedsLater("CAP_SYS_ADMIN"),)), ceiling=USUAL)
    first, *output = str(refused.value).splitlines()
    assert first.startswith("2 of 2 launches fail before anything is taken away (test: the test ended with ")
    assert output == ["  | failed"]


@pytest.mark.parametrize("seed", range(5))
def test_the_rate_of_a_flaky_test_is_estimated(seed: int) -> None:
    baseline = found(Program(steps=(Tries("CAP_CHOWN"),), flake_rate=0.2), seed=seed)
    failed = sum(trial.verdict is not Verdict.WORKS for trial in baseline.trials)
    if failed == 0:
        assert (len(baseline.trials), baseline.flake_rate) == (RUNS, 0.0)
    else:
        assert len(baseline.trials) == FLAKY_RUNS
        assert baseline.flake_rate == pytest.approx((failed + 1) / (FLAKY_RUNS + 2))


def test_a_hopeless_test_is_refused() -> None:
    with pytest.raises(BaselineError, match="launches fail before anything is taken away"):
        found(Program(steps=(Tries("CAP_CHOWN"),), flake_rate=0.95))


@pytest.mark.parametrize(("effective", "powerless"), [(frozenset(), True), (DOCKER_DEFAULT, False)])
def test_capabilities_that_are_not_in_effect(effective: frozenset[str], powerless: bool) -> None:  # noqa: FBT001 - a parameter
    held = Granted(
        bounding=DOCKER_DEFAULT, effective=DOCKER_DEFAULT & effective, seccomp_mode=2, no_new_privileges=False
    )
    assert with_launch(held).is_powerless is powerless


def test_what_was_not_seen_is_not_claimed() -> None:
    assert not with_launch(None).is_powerless


def with_launch(granted: Granted | None) -> Baseline:
    trial = Trial(
        number=1,
        phase="baseline",
        grant=USUAL,
        launches=(launch(USUAL, granted=granted),),
        verdict=Verdict.WORKS,
        reason="",
    )
    return Baseline(grant=USUAL, trials=(trial,), usual=Usual(), flake_rate=0.0)
