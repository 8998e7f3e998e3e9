"""The result document says what was found: of a whole campaign, and of one that was stopped.

- It is valid, and counts what was launched; the lower bound is one more than what is kept.
- Every proof is an entry, with the call that was denied; without proofs there are none.
"""

from datetime import UTC, datetime

import jsonschema
import pytest

from capmin.campaign import Campaign
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Needs, Program, Tries
from capmin.errors import BudgetSpent
from capmin.findings import result_of
from capmin.result import Result, schema
from tests.unit.campaigning import IMAGE, campaign_on

PROGRAM = Program(steps=(Needs("CAP_CHOWN"), Needs("socket"), Tries("poll"), Needs("bind")))
ENGINE = SimulatedEngine({IMAGE: PROGRAM})


def result(campaign: Campaign) -> Result:
    findings = campaign.findings
    found = result_of(
        findings,
        image=campaign.image,
        engine=ENGINE,
        confirm_engine=ENGINE if findings.confirmations else None,
        denied_errno=38,
        confidence=0.95,
        wall_s=1.5,
        files={"run": "run.sh"},
        created=datetime(2026, 11, 21, tzinfo=UTC),
    )
    jsonschema.validate(found.to_json(), schema())
    return found


def test_a_whole_campaign() -> None:
    campaign = campaign_on(ENGINE, confirm=3)
    campaign.run()
    campaign.confirm(ENGINE, None)
    document = result(campaign).to_json()
    assert document["capabilities"]["required"] == ["CAP_CHOWN"]
    assert document["syscalls"]["required"] == ["bind", "socket"]
    assert document["syscalls"]["observed"] == ["bind", "poll", "socket"]
    assert [(entry["privilege"], entry["denied"]) for entry in document["certificate"]][1:] == [
        ("bind", "bind"),
        ("socket", "socket"),
    ]
    assert document["engine"] == {"search": "simulated 1", "confirm": "simulated 1"}
    assert document["confirmation"]["passed"] == document["confirmation"]["runs"] == 3
    assert document["trials"]["lower_bound"] == 4
    assert document["trials"]["total"] == document["trials"]["launches"] == len(campaign.findings.trials)


@pytest.mark.parametrize("budget", [5, 8, 10])
def test_one_that_was_stopped(budget: int) -> None:
    campaign = campaign_on(ENGINE, budget=budget)
    with pytest.raises(BudgetSpent):
        campaign.run()
    found = result(campaign)
    assert found.certificate == ()
    assert found.confirm_engine is None
    assert found.confirmation.runs == 0
    assert found.trials.total == budget
    assert found.trials.lower_bound == len(campaign.findings.kept) + 1


def test_what_was_not_searched_is_not_answered() -> None:
    campaign = campaign_on(ENGINE, capabilities=False)
    campaign.run()
    document = result(campaign).to_json()
    assert document["capabilities"] is None
    assert document["trials"]["lower_bound"] == 3
    assert {entry["privilege"] for entry in document["certificate"]} == {"bind", "socket"}


def test_several_confirmations_of_several_scenarios_are_counted_as_runs() -> None:
    campaign = campaign_on(ENGINE, confirm=2, syscalls=False)
    campaign.run()
    campaign.confirm(SimulatedEngine({IMAGE: Program(steps=(Needs("CAP_KILL"),))}), None)
    found = result(campaign)
    assert (found.confirmation.passed, found.confirmation.runs) == (0, 2)
    assert found.confirmation.max_failure_rate == 1.0
