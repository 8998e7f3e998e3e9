"""Play a scenario on an engine under a grant, and judge what was observed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from capmin.engines import Container, Engine, Exit, Image, LaunchSpec, Observe
from capmin.grant import Grant
from capmin.patience import Patience
from capmin.privileges import Privilege, Syscall
from capmin.scenario import Scenario
from capmin.seccomp import SeccompProfile
from capmin.trial import Launch, Program, Verdict

PROBE_PAUSE_S = 0.02
"""Between two probes of a service that is not ready: about what launching a probe costs."""


STORM_FACTOR, STORM_FLOOR = 10, 30
SLOW_FACTOR, SLOW_FLOOR_S = 2.0, 0.5
"""The floor is what a busy machine adds now and then to launches that take no time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """How launches go with everything granted.

    By scenario: seconds, and the programs that run whenever the test passes; and uses of system calls in one
    launch.
    """

    slowest_s: Mapping[str, float] = field(default_factory=dict)
    programs: Mapping[str, frozenset[Program]] = field(default_factory=dict)
    uses: Mapping[Syscall, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """How a scenario is played: the images found for it, and everything that is the same for all scenarios.

    ``seccomp_profile`` replaces the filter made from the grant, as confirmation does.
    """

    image: Image
    test_image: Image
    denied_errno: int
    limit_s: float
    observe: Observe = Observe.NOTHING
    observe_capabilities: bool = False
    seccomp_profile: SeccompProfile | None = field(default=None)


def play(engine: Engine, scenario: Scenario, stage: Stage, grant: Grant) -> Launch:
    """Launch a scenario once and observe, as long as `Patience` lasts with ``stage.limit_s``.

    Raises:
        EngineError: the engine is broken.
    """
    spec = LaunchSpec(
        image=stage.image,
        argv=None if scenario.service else scenario.test,
        observe=stage.observe,
        observe_capabilities=stage.observe_capabilities,
        denied_errno=stage.denied_errno,
        seccomp_profile=stage.seccomp_profile,
    )
    started = time.monotonic()
    patience = Patience(stage.limit_s)
    with engine.start(spec, grant) as container:
        if scenario.service:
            seen = _probe_until_ready(container, scenario, stage, patience)
        else:
            seen = _Seen(end=_wait(container, patience))
        return Launch(
            scenario=scenario.name,
            grant=grant,
            exit_code=None if seen.end is None else seen.end.code,
            service_exit_code=None if seen.service_end is None else seen.service_end.code,
            refused=_refusal(seen),
            timed_out=seen.end is None and seen.service_end is None,
            duration_s=time.monotonic() - started,
            stalled_s=patience.stalled_s(),
            output=container.output(),
            probe_output=seen.probe_output,
            programs=seen.programs,
            attempts=container.attempts(),
            granted=container.granted(),
        )


def judge(launch: Launch, usual: Usual) -> tuple[Verdict, str]:
    """The verdict on one launch, and the reason in one line.

    Asked is not given: where the kernel says that the process had other capabilities than those granted,
    nothing is concluded. A service that answers, but no longer as the users it usually runs as, is broken:
    nginx that is denied geteuid takes itself for unprivileged and leaves its workers root.
    """
    if launch.granted is not None and launch.granted.bounding != launch.grant.capabilities:
        odd = sorted(launch.granted.bounding ^ launch.grant.capabilities)
        return Verdict.UNRESOLVED, f"the kernel gave another bounding set than asked for: {' '.join(odd)}"
    trouble = _trouble(launch) or _missing_program(launch, usual)
    return (Verdict.WORKS, "the test passed") if trouble is None else (Verdict.BREAKS, trouble)


def _trouble(launch: Launch) -> str | None:
    if launch.refused is not None:
        return f"the runtime could not start it: {launch.refused}"
    if launch.service_exit_code is not None:
        return f"the service ended with exit code {launch.service_exit_code}"
    if launch.timed_out:
        return f"no success within {launch.duration_s:.1f} s"
    if launch.exit_code != 0:
        return f"the test ended with exit code {launch.exit_code}"
    return None


def _missing_program(launch: Launch, usual: Usual) -> str | None:
    missing = sorted(usual.programs.get(launch.scenario, frozenset()) - launch.programs)
    return f"{missing[0].name} does not run as user {missing[0].uid}" if missing else None


def storms(launch: Launch, usual: Usual) -> dict[Privilege, str]:
    """The privileges whose denial set off a storm, each with what was seen.

    nginx without rt_sigsuspend passes while it spins: 2,274 denied calls in 70 ms. A call that is denied
    about as often as it used to be made is no such storm: the program falls back each time.
    """
    seen = {}
    for denial in launch.denials or ():
        used = usual.uses.get(Syscall(denial.privilege), 0)
        if denial.count > STORM_FACTOR * used + STORM_FLOOR:
            seen[denial.privilege] = (
                f"{denial.privilege} was denied {denial.count} times, not used {used} times"
            )
    return seen


def slowness(launch: Launch, usual: Usual) -> str | None:
    """How much slower than usual a launch was, or None; time that a busy machine took does not count."""
    usual_s = usual.slowest_s.get(launch.scenario, launch.duration_s)
    if launch.duration_s - launch.stalled_s > SLOW_FACTOR * usual_s + SLOW_FLOOR_S:
        return f"it took {launch.duration_s:.2f} s instead of {usual_s:.2f} s"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """``end`` is that of the test, ``service_end`` that of a service which should have gone on."""

    end: Exit | None
    service_end: Exit | None = None
    probe_output: str = ""
    programs: frozenset[Program] = frozenset()


def _refusal(seen: _Seen) -> str | None:
    end = seen.service_end or seen.end
    return None if end is None else end.refused


def _probe_until_ready(service: Container, scenario: Scenario, stage: Stage, patience: Patience) -> _Seen:
    """Probe again and again: success decides at once, and so does the end of the service."""
    probe = LaunchSpec(image=stage.test_image, argv=scenario.test, denied_errno=stage.denied_errno)
    while True:
        with service.beside(probe) as beside:
            end = _wait(beside, patience)
            output = beside.output()
        passed = end is not None and end.code == 0
        programs = _programs(service) if passed else frozenset()
        service_end = service.wait(0.0 if passed else PROBE_PAUSE_S)
        if passed or service_end is not None:
            return _Seen(end=end, service_end=service_end, probe_output=output, programs=programs)
        if patience.left_s() == 0.0:
            return _Seen(end=None, probe_output=output)


def _wait(container: Container, patience: Patience) -> Exit | None:
    while (left_s := patience.left_s()) > 0.0:
        if (end := container.wait(left_s)) is not None:
            return end
    return container.wait(0.0)


def _programs(container: Container) -> frozenset[Program]:
    return frozenset(Program(name=process.name, uid=process.uid) for process in container.processes())
