"""Campaigns over scripted programs: the whole of capmin but for containers, in milliseconds."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from capmin.campaign import Campaign, Plan
from capmin.engines import Container, LaunchSpec
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Program
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.oracle import Oracle
from capmin.play.stage import stage_for
from capmin.priors import LearnPrior, syscall_prior
from capmin.privileges import Capability, Syscall
from capmin.recall import Document
from capmin.scenario import Scenario
from capmin.trial import Attempt, Launch, OpenTrial, Trial

IMAGE = "program:1"
SCENARIO = Scenario(test=("true",))
NOTHING = Grant(capabilities=frozenset())
CHOWN, KILL, SETUID = Capability("CAP_CHOWN"), Capability("CAP_KILL"), Capability("CAP_SETUID")


@dataclass
class Memory:
    """A recorder that keeps launches and trials as they come."""

    recorded: list[Trial] = field(default_factory=list)
    begun: dict[int, OpenTrial] = field(default_factory=dict)

    def begin(self, number: int, *, phase: str, grant: Grant) -> None:
        fresh = OpenTrial(number=number, phase=phase, grant=grant, launches=())
        assert self.begun.setdefault(number, fresh).grant == grant

    def record_launch(self, number: int, launch: Launch) -> None:
        trial = self.begun[number]
        self.begun[number] = replace(trial, launches=(*trial.launches, launch))

    def record_trial(self, trial: Trial) -> None:
        begun = self.begun.pop(trial.number, None)
        assert begun is None or begun.launches == trial.launches
        self.recorded.append(trial)

    def trials(self) -> tuple[Trial, ...]:
        return tuple(sorted(self.recorded, key=lambda trial: trial.number))

    def open_trials(self) -> tuple[OpenTrial, ...]:
        return tuple(self.begun.values())


@dataclass
class Notes:
    """A watcher that writes down what it is told."""

    phases: list[str] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def trial(self, trial: Trial) -> None:
        self.trials.append(trial)

    def best(self, grant: Grant) -> None:
        self.grants.append(grant)


class FailingEngine(SimulatedEngine):
    """Fails as a daemon does, so many times."""

    def __init__(self, programs: Mapping[str, Program], *, failures: int) -> None:
        super().__init__(programs)
        self.failures = failures

    @contextmanager
    def start(self, spec: LaunchSpec, grant: Grant) -> Iterator[Container]:
        if self.failures > 0:
            self.failures -= 1
            raise EngineError("the daemon is gone")
        with super().start(spec, grant) as container:
            yield container


def oracle_on(
    engine: SimulatedEngine,
    *,
    recorder: Memory | None = None,
    budget: int | None = None,
    told: list[Trial] | None = None,
    scenarios: Sequence[Scenario] = (SCENARIO,),
) -> Oracle:
    stages = {
        scenario: stage_for(engine, scenario, engine.image(IMAGE), denied_errno=errno.ENOSYS, limit_s=5.0)
        for scenario in scenarios
    }
    return Oracle(
        engine=engine,
        stages=stages,
        recorder=recorder or Memory(),
        budget=budget,
        on_trial=([] if told is None else told).append,
    )


def campaign_on(
    program: Program | SimulatedEngine,
    *,
    recorder: Memory | None = None,
    notes: Notes | None = None,
    before: Document | None = None,
    learn_prior: LearnPrior = syscall_prior,
    **plan: Any,  # noqa: ANN401 - Plan's
) -> Campaign:
    """A campaign that has not run yet."""
    return Campaign(
        engine=SimulatedEngine({IMAGE: program}) if isinstance(program, Program) else program,
        plan=Plan(
            **{"image": IMAGE, "scenarios": (SCENARIO,), "denied_errno": errno.ENOSYS, "confirm": 3, **plan}
        ),
        recorder=recorder or Memory(),
        executor=ThreadPoolExecutor(plan.get("workers", 1)),
        watcher=notes or Notes(),
        before=before,
        learn_prior=learn_prior,
    )


def launch(grant: Grant = NOTHING, **observed: Any) -> Launch:  # noqa: ANN401 - Launch's
    return Launch(**{"scenario": "test", "grant": grant, "exit_code": 0, "duration_s": 0.1, **observed})


def denial(privilege: str, *, count: int = 1, last_s: float = 0.1) -> Attempt:
    name = Syscall(privilege)
    return Attempt(
        privilege=name, syscall=name, program="x", errno=errno.ENOSYS, count=count, first_s=0.0, last_s=last_s
    )
