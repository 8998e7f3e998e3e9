"""Launches under a given profile: as it is written, or so that its denials show."""

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from capmin.baseline import Baseline, find_baseline
from capmin.engines import Engine, Image, Observe
from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.judge import Stage
from capmin.observation import denied_syscalls, used_syscalls
from capmin.oracle import Oracle
from capmin.privileges import Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.profile_files import GivenProfile
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR, Action, Rule, SeccompProfile
from capmin.trial import Launch, OpenTrial, Trial, Verdict

Watch = Callable[[str, Trial | None], None]
"""Is told the phase when it begins, and each trial in it."""

_NOTHING: frozenset[Privilege] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What to hold against what, and how.

    ``workers`` launches run side by side; one may take ``time_limit_s``, which the baseline shortens. With
    ``accept_degraded`` passes that are much slower, or storm denied calls, count as passes.
    """

    image: str
    scenarios: tuple[Scenario, ...]
    given: GivenProfile
    runs: int = 10
    workers: int = 1
    time_limit_s: float = 60.0
    accept_degraded: bool = False


class _Forgetful:
    """A recorder for trials that nobody resumes."""

    def begin(self, number: int, *, phase: str, grant: Grant) -> None:
        pass

    def record_launch(self, number: int, launch: Launch) -> None:
        pass

    def record_trial(self, trial: Trial) -> None:
        pass

    def trials(self) -> tuple[Trial, ...]:
        return ()

    def open_trials(self) -> tuple[OpenTrial, ...]:
        return ()


class Bench:
    """Where trials with one profile are made; safe to use from several threads but for `enter`.

    Raises:
        ImageError: an image cannot be had.
        UsageError: the host cannot give what the profile grants.
    """

    def __init__(self, wish: Wish, engine: Engine, executor: Executor, watch: Watch) -> None:
        given = wish.given
        if missing := sorted(given.capabilities - engine.ceiling):
            raise UsageError(
                f"{given.source} grants {' '.join(missing)}, which {engine.name} cannot give on this host: "
                "verify it where it can (capmin doctor)"
            )
        calls = given.calls(engine.architecture)
        self.wish = wish
        self.engine = engine
        self.executor = executor
        self.image: Image = engine.image(wish.image)
        self.grant = Grant(capabilities=given.capabilities, syscalls=None if calls is None else calls - FLOOR)
        self._watch = watch
        self._phase = ""
        self._oracle = Oracle(
            engine=engine,
            stages=_stages(wish, engine, self.image),
            recorder=_Forgetful(),
            budget=None,
            on_trial=lambda trial: watch(self._phase, trial),
        )

    @property
    def observes_calls(self) -> bool:
        """Whether denied system calls show, and there is a filter that denies them."""
        return self.engine.observes_syscalls and self.grant.syscalls is not None

    @property
    def trials(self) -> Mapping[int, Trial]:
        return {trial.number: trial for trial in self._oracle.trials}

    def enter(self, phase: str) -> None:
        self._phase = phase
        self._watch(phase, None)

    def passes(self, trial: Trial) -> bool:
        return trial.verdict is Verdict.WORKS and (self.wish.accept_degraded or not trial.degraded)

    def storms(self, trial: Trial) -> bool:
        """Whether the tests passed while the program spun on a denied call."""
        return not self.passes(trial) and bool(self._oracle.stormy & denied(trial))

    def find_baseline(self) -> Baseline:
        """How launches go with what the image usually gets and what the profile grants, together.

        Raises:
            BaselineError: they fail.
        """
        usual = Grant(capabilities=DOCKER_DEFAULT & self.engine.ceiling | self.grant.capabilities)
        baseline = find_baseline(self._oracle, self.executor, usual=usual, ceiling=usual)
        self._oracle.set_limits(baseline.limits_s(self.wish.time_limit_s))
        self._oracle.set_usual(baseline.usual)
        if self.observes_calls:
            # How often the calls outside of the profile are made when they are allowed: a denial is a storm
            # where it is seen much more often than that.
            watching = self._oracle.ask(
                usual.with_syscalls(self.grant.syscalls),
                phase="observe",
                adapt=lambda stage: replace(stage, observe=Observe.USES),
            )
            uses = denied_syscalls(watching) | used_syscalls(watching)
            self._oracle.set_usual(replace(baseline.usual, uses=uses))
        return baseline

    def as_written(self, more: frozenset[Privilege] = _NOTHING) -> Trial:
        """A trial with the very document, to which only ``more`` is added."""
        document = self.wish.given.seccomp
        if document is not None and more:
            calls = frozenset(Syscall(name) for name in more if name not in CAPABILITIES)
            document = allowing(document, calls)
        return self._oracle.ask(
            self.grant.adding(more),
            phase=self._phase,
            adapt=lambda stage: replace(stage, seccomp_profile=document),
        )

    def observed(self, more: frozenset[Privilege] = _NOTHING) -> Trial:
        """A trial in which denials show, as far as this engine sees them; the floor is always granted."""
        observe = Observe.DENIALS if self.observes_calls else Observe.NOTHING
        traced = self.engine.observes_capabilities
        return self._oracle.ask(
            self.grant.adding(more),
            phase=self._phase,
            adapt=lambda stage: replace(stage, observe=observe, observe_capabilities=traced),
        )


def allowing(profile: SeccompProfile, calls: frozenset[Syscall]) -> SeccompProfile:
    """The profile with some calls allowed whatever their arguments, and nothing else changed."""
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name not in calls)) for rule in profile.rules
    )
    added = Rule(names=tuple(sorted(calls)), action=Action.ALLOW)
    return replace(profile, rules=tuple(rule for rule in (added, *rules) if rule.names))


def denied(trial: Trial) -> frozenset[Privilege]:
    """Everything that was denied in any launch of a trial."""
    return frozenset(denial.privilege for launch in trial.launches for denial in launch.denials or ())


def _stages(wish: Wish, engine: Engine, image: Image) -> Mapping[Scenario, Stage]:
    return {
        scenario: Stage(
            image=image,
            test_image=image if scenario.test_image is None else engine.image(scenario.test_image),
            denied_errno=_denied_errno(wish.given, engine.architecture),
            limit_s=wish.time_limit_s,
        )
        for scenario in wish.scenarios
    }


def _denied_errno(given: GivenProfile, architecture: str) -> int:
    """The errno that the filter gives most of what it denies: an observed launch knows one only."""
    if given.seccomp is None:
        return errno.EPERM
    allowed = given.calls(architecture) or frozenset()
    counts = Counter(_errnos(given.seccomp, allowed))
    return counts.most_common(1)[0][0] if counts else given.seccomp.default_errno


def _errnos(profile: SeccompProfile, allowed: frozenset[Syscall]) -> Iterable[int]:
    for rule in profile.rules:
        if rule.action is Action.ERRNO:
            code = profile.default_errno if rule.errno is None else rule.errno
            yield from (code for name in rule.names if name not in allowed)
