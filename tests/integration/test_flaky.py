"""Tests that fail by themselves, on real containers.

- At 20 % the answer is the right one all the same, proven, and the result tells the rate. Failures of the
  launches that confirm it are no more than that rate explains.
- At 40 % a small budget runs out before anything is proven: exit code 5, and what is undecided is named.

Luck is real, too: two failures at the very start are taken for tests that never pass, many in a row leave the
answer without proof, both of which is told, and now and then no launch fails. Then the search is made again:
whenever it says that it is done, it has to be right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from capmin.trial import Verdict
from tests.integration.searching import Search, Searcher

# One byte of the kernel's random numbers: the test fails where it is too small, whatever was granted.
FLAKY = "byte=$(od -An -N1 -tu1 /dev/urandom); chown 5 /tmp && [ $byte -ge {} ]"
TWENTY_PERCENT, FORTY_PERCENT = FLAKY.format(51), FLAKY.format(102)
ATTEMPTS = 6
CONFIDENCE = "0.9999"
"""At 0.99 one answer in 100 may be a wrong one, and with it one run of this test."""
NEVER_PASSES = 3
"""The exit code of a baseline that fails."""

Flaky = Callable[..., list[Search]]


@pytest.fixture
def searches(search: Searcher, built: Callable[[str], str], tmp_path: Path) -> Flaky:
    """Searches until one has something to see, and gives all that were not taken for hopeless."""

    def run(test: str, *more: str, enough: Callable[[Search], bool]) -> list[Search]:
        arguments = [
            "--test",
            test,
            "--engine",
            "runc",
            "--no-syscalls",
            "--ceiling",
            "CHOWN,KILL,SETUID",
            *more,
        ]
        found: list[Search] = []
        for number in range(ATTEMPTS):
            done = search(built("tools"), *arguments, output=tmp_path / str(number))
            if done.code != NEVER_PASSES:
                found.append(done)
                if enough(done):
                    break
        return found

    return run


def _rate(done: Search) -> float:
    return float(done.written["scenarios"][0]["flake_rate"])


@pytest.mark.engine("runc")
def test_the_answer_is_right_and_the_rate_is_told(searches: Flaky) -> None:
    found = searches(
        TWENTY_PERCENT,
        "--confirm",
        "10",
        "--confidence",
        CONFIDENCE,
        enough=lambda done: done.code == 0 and _rate(done) > 0,
    )
    sure = [done for done in found if done.code == 0]
    for done in sure:
        assert done.result["capabilities"]["required"] == ["CAP_CHOWN"]
        assert [entry["privilege"] for entry in done.result["certificate"]] == ["CAP_CHOWN"]
    done = sure[-1]
    # Of 20 launches ten fail in one of 400 runs of this test, and 14 in one of a million.
    assert 0.02 < _rate(done) < 0.7
    without = [trial for trial in done.trials if "CAP_CHOWN" not in trial.grant.capabilities]
    assert {trial.verdict for trial in without} == {Verdict.BREAKS}
    # One failure is no proof any more; Wald's test asks for several.
    assert len(without) > 1
    everything = [trial.verdict for trial in done.trials if trial.phase == "baseline"]
    assert len(everything) >= 20
    assert {Verdict.WORKS, Verdict.BREAKS} == set(everything)


@pytest.mark.engine("runc")
def test_too_flaky_for_the_budget(searches: Flaky) -> None:
    found = searches(FORTY_PERCENT, "--confirm", "10", "--budget", "23", enough=lambda done: done.code == 5)
    done = found[-1]
    assert done.code == 5, done.stderr
    assert "the budget of 23 trials is spent" in done.stderr
    undecided = done.stderr.partition("undecided: ")[2].split()
    assert "CAP_CHOWN" in undecided
    assert "CAP_CHOWN" in done.written["capabilities"]["required"]
    assert len(done.trials) == 23
