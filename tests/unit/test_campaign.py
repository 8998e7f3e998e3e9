"""Campaigns end with a set that works, from which nothing can be taken away, and say so of nothing else.

- Whatever the program: alternatives, traps, late failures, any number of workers, with denials or without.
- Each privilege kept has a proof on the final grant; the files as written are launched as often as asked.
- What stops a campaign leaves the best so far; resumed, it goes the same way and repeats nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from capmin.baseline import FLAKY_RUNS
from capmin.campaign import Campaign
from capmin.engines import Container, LaunchSpec, Observe
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import (
    Needs,
    NeedsLater,
    NeedsNowAndThen,
    NeedsOneOf,
    Program,
    SpinsNowAndThen,
    Step,
    Trap,
    Tries,
)
from capmin.errors import BaselineError, BudgetSpent
from capmin.grant import Grant
from capmin.priors import Prior
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.recall import Document
from capmin.seccomp import FLOOR, docker_default
from capmin.trial import Verdict
from tests.unit.campaigning import CHOWN, IMAGE, KILL, SETUID, Memory, Notes, campaign_on

PROGRAMS = {
    "nothing": Program(steps=(Tries("CAP_CHOWN"), Tries("socket"))),
    "needs": Program(steps=(Needs("CAP_CHOWN"), Needs("socket"), Tries("poll"), Needs("bind"))),
    "late": Program(steps=(NeedsLater("CAP_KILL"), NeedsLater("socket"), Tries("poll"), NeedsLater("bind"))),
    "alternatives": Program(
        steps=(NeedsOneOf(("CAP_CHOWN", "CAP_FOWNER")), NeedsOneOf(("epoll_wait", "poll", "select")))
    ),
    "trap": Program(steps=(Trap("CAP_SETUID", "CAP_SETGID"), Trap("socket", "connect"), Needs("bind"))),
}


def works(program: Program, grant: Grant) -> bool:
    """Without a filter of its own, a grant has every system call."""
    calls = program.privileges().difference(CAPABILITIES) if grant.syscalls is None else grant.syscalls
    return program.run(grant.capabilities | calls | FLOOR).passes


def check(program: Program, campaign: Campaign) -> None:
    """The answer works, is 1-minimal, and proven: known from the program itself."""
    findings = campaign.findings
    assert works(program, findings.grant)
    assert [one for one in findings.kept if works(program, findings.grant.without(frozenset({one})))] == []
    assert findings.minimum is not None
    assert set(findings.minimum.proofs) == findings.kept
    trials = {trial.number: trial for trial in findings.trials}
    for privilege, proof in findings.minimum.proofs.items():
        for number in proof.failures:
            assert number is not None
            assert trials[number].verdict is Verdict.BREAKS
            assert privilege not in trials[number].grant.privileges


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("observes", [True, False])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_answer_is_minimal_and_proven(name: str, observes: bool, workers: int) -> None:  # noqa: FBT001 - a parameter
    program = PROGRAMS[name]
    engine = SimulatedEngine({IMAGE: program}, observes_syscalls=observes, observes_capabilities=observes)
    campaign = campaign_on(engine, workers=workers)
    campaign.run()
    check(program, campaign)
    assert (campaign.findings.observed is not None) is observes


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("seed", range(8))
def test_what_spins_now_and_then_stays_or_never_showed(seed: int, rate: float, workers: int) -> None:
    """As clock_nanosleep in mariadb: passes without it say nothing, and the tests are no flaky ones."""
    others = ("socket", "bind", "listen", "accept4", "kill", "dup2")
    spins = SpinsNowAndThen("poll", rate)
    program = Program(
        steps=(Needs("CAP_CHOWN"), Needs("socket"), spins, *map(Tries, others), Needs("bind"), Needs("kill"))
    )
    campaign = campaign_on(SimulatedEngine({IMAGE: program}, seed=seed), workers=workers)
    campaign.run()
    findings = campaign.findings
    assert findings.minimum is not None
    assert set(findings.minimum.proofs) == findings.kept
    assert findings.baseline.flake_rate == 0.0
    stormed = any(trial.degraded for trial in findings.trials)
    assert findings.kept == {CHOWN, "socket", "bind", "kill"} | ({"poll"} if stormed else set())


def test_few_trials_find_few_calls_among_all_that_docker_allows() -> None:
    calls = docker_default(DOCKER_DEFAULT, "x86_64").allowed - FLOOR
    needed = ("getgroups", "socket", "bind", "listen", "accept4")
    program = Program(steps=tuple(Needs(name) if name in needed else Tries(name) for name in sorted(calls)))
    campaign = campaign_on(SimulatedEngine({IMAGE: program}, observes_syscalls=False))
    campaign.run()
    check(program, campaign)
    assert len([trial for trial in campaign.findings.trials if trial.phase != "baseline"]) < 80


def test_the_phases_and_the_best_so_far_are_told() -> None:
    notes = Notes()
    campaign = campaign_on(PROGRAMS["needs"], notes=notes)
    campaign.run()
    assert notes.phases == [
        "baseline",
        "observe",
        "capabilities",
        "alternatives",
        "syscalls",
        "certify",
    ]
    assert tuple(notes.trials) == campaign.findings.trials
    assert notes.grants[-1] == campaign.findings.grant
    assert all(
        later.capabilities <= earlier.capabilities
        for earlier, later in zip(notes.grants, notes.grants[1:], strict=False)
    )


def test_only_what_was_asked_for_is_searched() -> None:
    only_capabilities = campaign_on(PROGRAMS["needs"], syscalls=False)
    only_capabilities.run()
    assert only_capabilities.findings.kept == {CHOWN}
    assert only_capabilities.findings.grant.syscalls is None

    only_syscalls = campaign_on(PROGRAMS["needs"], capabilities=False)
    only_syscalls.run()
    assert only_syscalls.findings.kept == {"socket", "bind"}
    assert len(only_syscalls.findings.grant.capabilities) == 14


def test_nothing_beyond_the_ceiling_is_granted() -> None:
    program = Program(steps=(Needs("CAP_SYS_ADMIN"),))
    with pytest.raises(BaselineError):
        campaign_on(program).run()
    notes = Notes()
    campaign_on(program, ceiling=frozenset(CAPABILITIES), notes=notes).run()
    assert notes.grants[-1].capabilities == {"CAP_SYS_ADMIN"}
    notes = Notes()
    ceiling = frozenset({CHOWN, KILL})
    campaign_on(PROGRAMS["needs"], ceiling=ceiling, notes=notes).run()
    assert all(trial.grant.capabilities <= ceiling for trial in notes.trials)


def test_the_answer_is_launched_as_it_was_written() -> None:
    program = PROGRAMS["needs"]
    engine = SimulatedEngine({IMAGE: program})
    campaign = campaign_on(engine, confirm=4, syscalls=False)
    campaign.run()
    campaign.confirm(engine, None)
    assert (len(campaign.findings.confirmations), campaign.findings.confirmed) == (4, 4)


def test_a_profile_that_does_not_hold_is_not_confirmed() -> None:
    campaign = campaign_on(PROGRAMS["needs"], confirm=4, syscalls=False)
    campaign.run()
    other = SimulatedEngine({IMAGE: Program(steps=(Needs("CAP_CHOWN"), Needs("CAP_SETUID")))})
    campaign.confirm(other, None)
    assert campaign.findings.confirmed == 0
    assert SETUID not in campaign.findings.grant.capabilities


@pytest.mark.parametrize("budget", range(6, 24, 3))
def test_a_budget_leaves_the_best_so_far_and_a_larger_one_goes_on(budget: int) -> None:
    program, memory = PROGRAMS["late"], Memory()
    stopped = campaign_on(program, recorder=memory, budget=budget)
    at_once = campaign_on(program)
    at_once.run()
    if budget < len(at_once.findings.trials):
        with pytest.raises(BudgetSpent):
            stopped.run()
        assert works(program, stopped.findings.grant)

    told = Notes()
    resumed = campaign_on(program, recorder=memory, notes=told)
    before = len(memory.recorded)
    resumed.run()
    assert resumed.findings.grant == at_once.findings.grant
    assert [(t.phase, t.grant) for t in resumed.findings.trials] == [
        (t.phase, t.grant) for t in at_once.findings.trials
    ]
    assert len(told.trials) == len(memory.recorded) - before


def test_nothing_has_been_found_before_the_baseline() -> None:
    campaign = campaign_on(PROGRAMS["needs"])
    assert not campaign.has_findings
    with pytest.raises(BaselineError, match="before the tests have passed even once"):
        _ = campaign.findings


@pytest.mark.parametrize("seed", [4, 6, 16, 18, 20, 29])
def test_what_passed_by_chance_is_found_by_how_often_the_answer_fails(seed: int) -> None:
    """It passes in three of five launches without bind, as postgres does without gettid."""
    steps: tuple[Step, ...] = (
        Needs("socket"),
        NeedsNowAndThen("bind", 0.4),
        *(Tries(name) for name in ("poll", "kill", "dup", "lseek", "fsync")),
        Needs("listen"),
        Needs("accept"),
    )
    engine = SimulatedEngine({IMAGE: Program(steps=steps)}, seed=seed)
    campaign = campaign_on(engine, confirm=10)
    campaign.run()
    assert "bind" not in campaign.findings.kept
    campaign.confirm(engine, None)
    assert campaign.search_on()
    campaign.confirm(engine, None)
    findings = campaign.findings
    assert findings.holds
    assert findings.kept == {"socket", "bind", "listen", "accept"}
    # More runs with everything granted would be 80, or 320.
    assert len(findings.baseline.trials) == FLAKY_RUNS
    doubted = [trial for trial in findings.trials if trial.phase == "doubt"][-1]
    assert doubted.verdict is Verdict.BREAKS
    later = [trial for trial in findings.trials if trial.number > doubted.number]
    assert later
    assert doubted.grant not in [trial.grant for trial in later]


class RacingEngine(SimulatedEngine):
    """A program that passes without bind, but not where denials are seen and nothing else is watched."""

    def __init__(self) -> None:
        rest: tuple[Step, ...] = (Needs("socket"), Needs("listen"), Tries("poll"))
        super().__init__(
            {IMAGE: Program(steps=(Tries("bind"), *rest)), "slow": Program(steps=(Needs("bind"), *rest))}
        )
        self.slow = 0

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        if spec.observe is Observe.DENIALS and not spec.watched:
            self.slow += 1
            spec = replace(spec, image=self.image("slow"))
        with super().start(spec, grant) as container:
            yield container


@pytest.mark.parametrize(
    ("chance", "kept"), [(0.8, {"socket", "bind", "listen"}), (0.5, {"socket", "listen"})]
)
def test_what_is_likely_needed_goes_only_where_it_passes_on_another_course(
    chance: float, kept: frozenset[str]
) -> None:
    def learn_prior(results: Iterable[Document] = (), *, used: frozenset[Syscall] | None = None) -> Prior:
        del results, used
        return lambda name: chance if name == "bind" else 0.5

    engine = RacingEngine()
    campaign = campaign_on(engine, learn_prior=learn_prior)
    campaign.run()
    assert campaign.findings.kept == {"socket", "listen"}
    campaign.confirm(engine, None)
    while campaign.search_on():
        campaign.confirm(engine, None)
    assert campaign.findings.kept == kept
    assert campaign.findings.holds
    assert bool(engine.slow) == ("bind" in kept)


@pytest.mark.parametrize("seed", range(3))
def test_a_flaky_program_ends_in_a_set_that_works(seed: int) -> None:
    program = Program(
        steps=(Needs("CAP_CHOWN"), Tries("CAP_KILL"), Needs("socket"), Tries("poll")), flake_rate=0.1
    )
    steady = Program(steps=program.steps)
    campaign = campaign_on(SimulatedEngine({IMAGE: program}, seed=seed))
    campaign.run()
    assert works(steady, campaign.findings.grant)
    assert {CHOWN, "socket"} <= campaign.findings.kept
