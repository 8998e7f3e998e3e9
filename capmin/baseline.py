"""The baseline: the scenarios under the image's usual grant, several times, before anything is taken away."""

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from capmin.errors import BaselineError
from capmin.grant import Grant
from capmin.judge import Usual, limit_for, usual_of
from capmin.oracle import Oracle
from capmin.trial import Launch, Trial, Verdict

RUNS = 4
"""Enough for the time statistics; a test that fails in none of these is taken for steady."""

FLAKY_RUNS = 20
"""How often the baseline runs in all when it has failed once: what an estimate of the rate takes."""

STEADY_RUNS = 59
"""A test that fails in none of these fails in less than one of 20 runs, with a confidence of 95 %."""

HOPELESS_RATE = 0.5
"""A test that fails more often than this with every privilege tells nothing."""

LAST_LINES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """The grant that works, how launches go under it, and how often they fail anyway."""

    grant: Grant
    trials: tuple[Trial, ...]
    usual: Usual
    flake_rate: float

    def limits_s(self, longest_s: float) -> dict[str, float]:
        """Each scenario's time limit, by name; `capmin.judge.within` has those of its phases."""
        return {name: limit_for(usual_s, longest_s) for name, usual_s in self.usual.slowest_s.items()}

    @property
    def is_steady(self) -> bool:
        """Whether it is known, and not only supposed, that the tests do not fail by chance."""
        return self.flake_rate == 0.0 and len(self.trials) >= STEADY_RUNS

    @property
    def is_powerless(self) -> bool:
        """Whether none of the capabilities granted was in effect, as it is for other users than root.

        Docker gives such a process no ambient capabilities: what it was granted is in its bounding set only,
        for set-user-ID programs and file capabilities.
        """
        seen = [launch.granted for trial in self.trials for launch in trial.launches if launch.granted]
        return bool(seen) and all(granted.bounding and not granted.effective for granted in seen)


def find_baseline(
    oracle: Oracle,
    executor: Executor,
    *,
    usual: Grant,
    ceiling: Grant,
    runs: int = RUNS,
    first: Trial | None = None,
) -> Baseline:
    """Run the scenarios under the usual grant, or, where they cannot work there, under the ceiling.

    Repeats run side by side, as trials will: the times are those of a machine as busy as it will be. A trial
    that was made with as much granted can be the ``first`` of them.

    Raises:
        BaselineError: they fail under the ceiling too.
    """
    first = first or oracle.ask(usual, phase="baseline")
    grant = usual
    trials: tuple[Trial, ...] = (first,)
    if first.verdict is not Verdict.WORKS and ceiling != usual:
        second = oracle.ask(ceiling, phase="baseline")
        if second.verdict is Verdict.WORKS:
            grant, trials = ceiling, (second,)
    trials = _repeat(oracle, executor, grant, trials, runs)
    if len({trial.verdict for trial in trials}) > 1:
        trials = _repeat(oracle, executor, grant, trials, FLAKY_RUNS)
    return _baseline_of(grant, trials)


def extended(
    oracle: Oracle, executor: Executor, baseline: Baseline, more: Iterable[Trial], *, runs: int = RUNS
) -> Baseline:
    """A baseline with more trials that had as much granted, filled up to so many runs.

    Raises:
        BaselineError: most fail.
    """
    trials = _repeat(oracle, executor, baseline.grant, (*baseline.trials, *more), runs)
    if len({trial.verdict for trial in trials}) > 1:
        trials = _repeat(oracle, executor, baseline.grant, trials, FLAKY_RUNS)
    return _baseline_of(baseline.grant, trials)


def _baseline_of(grant: Grant, trials: tuple[Trial, ...]) -> Baseline:
    failures = [trial for trial in trials if trial.verdict is not Verdict.WORKS]
    if len(failures) > HOPELESS_RATE * len(trials):
        raise BaselineError(_explain(failures[-1], len(failures), len(trials)))
    usual = usual_of(
        launch for trial in trials if trial.verdict is Verdict.WORKS for launch in trial.launches
    )
    return Baseline(
        grant=grant,
        trials=trials,
        usual=replace(usual, grant=grant),
        flake_rate=(len(failures) + 1) / (len(trials) + 2) if failures else 0.0,
    )


def _repeat(
    oracle: Oracle, executor: Executor, grant: Grant, trials: tuple[Trial, ...], runs: int
) -> tuple[Trial, ...]:
    """Trials up to ``runs`` in all; a test that has never passed gets one more chance, and no other."""
    if all(trial.verdict is not Verdict.WORKS for trial in trials):
        trials = (*trials, oracle.ask(grant, phase="baseline"))
        if trials[-1].verdict is not Verdict.WORKS:
            return trials
    more = range(len(trials), runs)
    return (*trials, *executor.map(lambda _: oracle.ask(grant, phase="baseline"), more))


def _explain(trial: Trial, failed: int, runs: int) -> str:
    launch = trial.launches[-1]
    words = (
        f"{failed} of {runs} launches fail before anything is taken away ({trial.reason}){_advice(launch)}"
    )
    output = (launch.probe_output or launch.output).rstrip().splitlines()[-LAST_LINES:]
    if launch.refused is not None:
        output = []  # the runtime's words, which the reason has already
    return "\n".join([words, *(f"  | {line}" for line in output)])


def _advice(launch: Launch) -> str:
    refused = launch.refused or ""
    if "/bin/sh" in refused:
        return '; the image has no /bin/sh: give the test as a JSON list, for example \'["/app", "--check"]\''
    if launch.timed_out:
        return "; raise --time-limit if it only needs longer"
    return "; try the test with docker run, or allow more with --ceiling all"
