"""Two capabilities that do for each other, on a real kernel: both are told, the less risky is the answer.

Root without capabilities cannot read a file that nobody may read. It can with CAP_DAC_READ_SEARCH, which only
reads, and with CAP_DAC_OVERRIDE, which writes, too (capabilities(7)).

- With both in the ceiling both come out as minimal sets, whether Docker grants them by default or not, and
  each is proven by launches: with one of them the test passes, with neither it fails.
- What only one of them does has no alternative.
- Where there are too few trials to know, the result says so.
"""

from collections.abc import Callable

import pytest

from capmin.privileges import Capability
from capmin.trial import Trial, Verdict
from tests.integration.searching import Search, Searcher

CEILING = "CHOWN,DAC_OVERRIDE,DAC_READ_SEARCH,FOWNER,KILL,SETUID,SETGID"
OVERRIDE, READ_SEARCH = Capability("CAP_DAC_OVERRIDE"), Capability("CAP_DAC_READ_SEARCH")
# Whoever owns the file takes the permissions away, so that only reading it takes a capability.
READ = "touch /tmp/secret && chmod 0 /tmp/secret && cat /tmp/secret"
WRITE = "touch /tmp/secret && chmod 0 /tmp/secret && echo x > /tmp/secret"


@pytest.fixture
def capabilities(search: Searcher, built: Callable[[str], str]) -> Callable[..., Search]:
    """Searches capabilities only."""

    def run(test: str, *more: str) -> Search:
        arguments = ["--engine", "runc", "--no-syscalls", "--confirm", "3", *more]
        return search(built("tools"), "--test", test, *arguments)

    return run


def _verdicts(trials: tuple[Trial, ...], having: Capability, lacking: Capability) -> set[Verdict]:
    return {
        trial.verdict
        for trial in trials
        if having in trial.grant.capabilities and lacking not in trial.grant.capabilities
    }


@pytest.mark.engine("runc")
def test_both_are_told_and_the_answer_only_reads(capabilities: Callable[..., Search]) -> None:
    done = capabilities(READ, "--ceiling", CEILING)
    answer = done.result["capabilities"]
    assert answer["required"] == ["CAP_DAC_READ_SEARCH"]
    assert answer["alternatives"] == [["CAP_DAC_OVERRIDE"]]
    assert answer["alternatives_complete"]
    assert [entry["privilege"] for entry in done.result["certificate"]] == ["CAP_DAC_READ_SEARCH"]
    assert done.result["confirmation"]["passed"] == 3
    assert "or, riskier   DAC_OVERRIDE" in done.stdout
    assert _verdicts(done.trials, OVERRIDE, READ_SEARCH) == {Verdict.WORKS}
    assert _verdicts(done.trials, READ_SEARCH, OVERRIDE) == {Verdict.WORKS}
    neither = [trial for trial in done.trials if not {OVERRIDE, READ_SEARCH} & trial.grant.capabilities]
    assert {trial.verdict for trial in neither} == {Verdict.BREAKS}


@pytest.mark.engine("runc")
def test_all_that_the_host_has_gives_the_same(capabilities: Callable[..., Search]) -> None:
    answer = capabilities(READ, "--ceiling", "all", "--alternatives", "60").result["capabilities"]
    assert (answer["required"], answer["alternatives"]) == (["CAP_DAC_READ_SEARCH"], [["CAP_DAC_OVERRIDE"]])
    assert answer["alternatives_complete"]


@pytest.mark.engine("runc")
def test_nothing_that_the_ceiling_lacks_is_told(capabilities: Callable[..., Search]) -> None:
    done = capabilities(READ)
    assert done.result["capabilities"]["required"] == ["CAP_DAC_OVERRIDE"]
    assert done.result["capabilities"]["alternatives"] == []
    assert not any(READ_SEARCH in trial.grant.capabilities for trial in done.trials)


@pytest.mark.engine("runc")
def test_what_only_one_does_has_no_alternative(capabilities: Callable[..., Search]) -> None:
    answer = capabilities(WRITE, "--ceiling", CEILING).result["capabilities"]
    assert answer["required"] == ["CAP_DAC_OVERRIDE"]
    assert (answer["alternatives"], answer["alternatives_complete"]) == ([], True)


@pytest.mark.engine("runc")
def test_too_few_trials_are_admitted(capabilities: Callable[..., Search]) -> None:
    done = capabilities(READ, "--ceiling", CEILING, "--alternatives", "1")
    assert done.result["capabilities"]["alternatives_complete"] is False
    assert "there may be other sets: --alternatives N looks further" in done.stdout
