"""A campaign: from the baseline to the confirmed profile (design.md, section 4)."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from capmin.engines import Engine, Image
from capmin.errors import BaselineError
from capmin.findings import Findings
from capmin.grant import Grant
from capmin.judge import Stage
from capmin.oracle import Oracle, Recorder
from capmin.phases import Bench, Plan, Proofs, Watcher, ceiling_of
from capmin.phases.capabilities import search_capabilities
from capmin.phases.certificate import certify, naming_undecided
from capmin.phases.confirmation import launch_as_written, passes_on_another_course, reconsider
from capmin.phases.footing import find_footing, observe
from capmin.phases.syscalls import search_syscalls
from capmin.phases.warm_start import still_works
from capmin.play import stage_for
from capmin.priors import LearnPrior, syscall_prior
from capmin.privileges import Capability
from capmin.recall import Document
from capmin.scenario import Scenario
from capmin.seccomp import SeccompProfile

__all__ = ["Campaign", "Plan", "Proofs", "Watcher", "ceiling_of"]


class Campaign:
    """One search over one image. Any exception may stop it; `findings` then has the best so far.

    Args:
        engine: launches the trials.
        plan: what to search.
        recorder: keeps every trial.
        earlier: results of earlier campaigns, to learn priors from.
        before: the result of an earlier campaign to start from: its answer is tried first.
        learn_prior: tells from ``earlier`` how probable it is that a system call is needed.
        executor: where trials run side by side.
        watcher: is told how it goes.

    Raises:
        ImageError: an image cannot be had.
        UsageError: the ceiling is more than the host can give.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        plan: Plan,
        recorder: Recorder,
        executor: Executor,
        watcher: Watcher,
        earlier: Sequence[Document] = (),
        before: Document | None = None,
        learn_prior: LearnPrior = syscall_prior,
    ) -> None:
        stages = _stages(plan, engine)
        self._engine = engine
        self._plan = plan
        self._bench = Bench(
            engine=engine,
            plan=plan,
            oracle=Oracle(
                engine=engine,
                stages=stages,
                recorder=recorder,
                budget=plan.budget,
                on_trial=watcher.trial,
            ),
            stages=stages,
            executor=executor,
            watcher=watcher,
            best=Grant(capabilities=ceiling_of(plan, engine)),
            earlier=earlier,
            before=before,
            learn_prior=learn_prior,
        )

    @property
    def image(self) -> Image:
        return next(iter(self._bench.stages.values())).image

    def run(self) -> None:
        """Search and prove; confirmation comes after, with the files written.

        Raises:
            BaselineError: the scenarios fail with everything granted.
            BudgetSpent: stopped early.
            EngineError: the engine is broken.
        """
        bench = self._bench
        with naming_undecided(bench):
            find_footing(bench)
            if not still_works(bench):
                observe(bench)
                if self._plan.capabilities:
                    search_capabilities(bench)
                if self._plan.syscalls:
                    search_syscalls(bench)
            certify(bench)

    def confirm(self, engine: Engine, profile: SeccompProfile | None) -> None:
        """Launch the answer as it was written, on the engine that will run it.

        ``profile`` is the emitted document read back, or None where system calls were not searched.
        """
        self._bench.enter("confirm")
        stages = self._bench.stages if engine is self._engine else _stages(self._plan, engine)
        self._bench.confirmations.clear()
        for _ in range(self._plan.confirm):
            self._bench.confirmations.append(launch_as_written(self._bench, engine, stages, profile))

    def search_on(self) -> bool:
        """Go back to the search where the answer does not hold; False where it does, or nothing can be done.

        True means that there is a new answer, to be written and confirmed like the first.

        Raises:
            BudgetSpent: stopped early.
            EngineError: the engine is broken.
        """
        findings = self.findings
        if findings.holds and passes_on_another_course(self._bench):
            return False
        with naming_undecided(self._bench, in_doubt=True):
            failed = len(findings.confirmations) - findings.confirmed
            if not reconsider(self._bench, failed=failed):
                return False
            certify(self._bench)
        return True

    def stop(self) -> None:
        """Let no trial that is under way count: its containers are about to be killed."""
        self._bench.oracle.stop()

    @property
    def has_findings(self) -> bool:
        """Whether the baseline has passed."""
        return self._bench.baseline is not None

    @property
    def findings(self) -> Findings:
        """The best so far.

        Raises:
            BaselineError: nothing has passed yet.
        """
        bench = self._bench
        if bench.baseline is None:
            raise BaselineError("stopped before the tests have passed even once")
        return Findings(
            grant=bench.best,
            baseline=replace(bench.baseline, usual=bench.oracle.usual),
            searched_capabilities=self._plan.capabilities,
            observed=bench.observed,
            uses=bench.uses or {},
            minimum=bench.minimum,
            alternatives=tuple(frozenset(map(Capability, names)) for names in bench.alternatives),
            alternatives_complete=bench.alternatives_complete,
            trials=bench.oracle.trials,
            rounds=bench.rounds,
            confirmations=tuple(bench.confirmations),
        )


def _stages(plan: Plan, engine: Engine) -> Mapping[Scenario, Stage]:
    image = engine.image(plan.image)
    return {
        scenario: stage_for(
            engine, scenario, image, denied_errno=plan.denied_errno, limit_s=plan.time_limit_s
        )
        for scenario in plan.scenarios
    }
