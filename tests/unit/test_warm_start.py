"""A search that starts from an earlier result searches only what has changed since.

- Where nothing has, it takes a launch that passes as the image usually does, one with the answer, and one
  that fails for each privilege: k + 2.
- What is needed now in addition is found, whether its denial is seen or not, and proven like the rest; what
  is needed no more goes.
- A result that does not count uses, or that is of other kinds of privilege, leads to the same answer.
"""

import errno
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from capmin.campaign import Campaign
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Needs, NeedsLater, NeedsOneOf, Program, Step, Trap, Tries
from capmin.findings import result_of
from tests.unit.campaigning import IMAGE, Notes, campaign_on
from tests.unit.test_campaign import PROGRAMS, check

STEPS: tuple[Step, ...] = (
    Needs("CAP_CHOWN"),
    Tries("CAP_FOWNER"),
    Needs("socket"),
    Tries("poll"),
    NeedsOneOf(("epoll_wait", "select")),
    Needs("bind"),
    Tries("connect"),
)
CHANGES: dict[str, Sequence[Step]] = {
    "a capability": (*STEPS, Needs("CAP_KILL")),
    "a capability that is missed late": (*STEPS, NeedsLater("CAP_KILL")),
    "a call": (*STEPS, Needs("listen")),
    "both": (Needs("CAP_KILL"), *STEPS, NeedsLater("listen"), Needs("accept4")),
    "what it did without": (*STEPS, Needs("poll"), Needs("CAP_FOWNER")),
    "a trap": (*STEPS, Trap("connect", "listen"), Trap("CAP_FOWNER", "CAP_FSETID")),
    "less": STEPS[1:-2],
    "another way": (Needs("CAP_DAC_OVERRIDE"), Needs("sendmsg"), Tries("poll"), Needs("recvmsg")),
}


def engine_of(program: Program, *, observes: bool = True) -> SimulatedEngine:
    return SimulatedEngine({IMAGE: program}, observes_syscalls=observes, observes_capabilities=observes)


def result_on(engine: SimulatedEngine) -> dict[str, Any]:
    """The result document of a search from nothing."""
    campaign = campaign_on(engine)
    campaign.run()
    result = result_of(
        campaign.findings,
        image=campaign.image,
        engine=engine,
        confirm_engine=None,
        denied_errno=errno.ENOSYS,
        confidence=0.95,
        wall_s=1.0,
        files={},
        created=datetime.now(UTC),
    )
    return result.to_json()


def searched_from(before: dict[str, Any], engine: SimulatedEngine, **plan: Any) -> Campaign:  # noqa: ANN401 - Plan's
    campaign = campaign_on(engine, before=before, **plan)
    campaign.run()
    return campaign


@pytest.mark.parametrize("observes", [True, False])
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_unchanged_image_takes_two_trials_beyond_its_proofs(name: str, observes: bool) -> None:  # noqa: FBT001 - a parameter
    engine = engine_of(PROGRAMS[name], observes=observes)
    before = result_on(engine)
    findings = searched_from(before, engine).findings
    check(PROGRAMS[name], searched_from(before, engine))
    assert findings.kept == {*before["capabilities"]["required"], *before["syscalls"]["required"]}
    assert len(findings.trials) <= len(findings.kept) + 2


@pytest.mark.parametrize("observes", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_found(change: str, observes: bool) -> None:  # noqa: FBT001 - a parameter
    before = result_on(engine_of(Program(steps=STEPS), observes=observes))
    program = Program(steps=tuple(CHANGES[change]))
    check(program, searched_from(before, engine_of(program, observes=observes)))


@pytest.mark.parametrize("change", ["a capability", "a call", "both"])
def test_few_trials_find_what_is_needed_in_addition(change: str) -> None:
    program = Program(steps=tuple(CHANGES[change]))
    findings = searched_from(result_on(engine_of(Program(steps=STEPS))), engine_of(program)).findings
    assert len(findings.trials) <= len(findings.kept) + 10


def test_what_is_seen_to_be_used_now_is_observed() -> None:
    program = Program(steps=(*STEPS, Tries("listen")))
    before = result_on(engine_of(Program(steps=STEPS)))
    assert before["syscalls"]["uses"]["connect"] == 1
    findings = searched_from(before, engine_of(program)).findings
    assert set(findings.observed or ()) == {*before["syscalls"]["observed"], "listen"}
    assert findings.uses == {**before["syscalls"]["uses"], "listen": 1}


def test_a_result_that_counts_no_uses_has_them_counted_first() -> None:
    engine = engine_of(Program(steps=STEPS))
    before = result_on(engine)
    uses = before["syscalls"].pop("uses")
    findings = searched_from(before, engine).findings
    assert findings.uses == uses
    assert sorted(findings.kept) == sorted(
        (*before["capabilities"]["required"], *before["syscalls"]["required"])
    )


def test_a_result_of_other_kinds_is_no_answer() -> None:
    engine = engine_of(Program(steps=STEPS))
    notes = Notes()
    campaign = campaign_on(engine, before=result_on(engine), notes=notes, syscalls=False)
    campaign.run()
    assert "recall" not in notes.phases
    assert campaign.findings.kept == {"CAP_CHOWN"}
