"""Judge what was observed of a launch, against how launches usually go."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from capmin.comparison import Template
from capmin.grant import Grant
from capmin.play import Stage, play
from capmin.privileges import Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.scenario import Phase
from capmin.trial import COMPANIONS, Answer, Launch, Program, Verdict

__all__ = [
    "Stage", "Usual", "judge", "limit_for", "only_differs", "play", "slowness", "storms", "usual_of",
    "widened", "within",
]  # fmt: skip

STORM_FACTOR, STORM_FLOOR = 10, 30
SLOW_FACTOR, SLOW_FLOOR_S = 2.0, 0.5
"""The floor is what a busy machine adds now and then to launches that take no time."""


LIMIT_FACTOR, LIMIT_FLOOR_S = 3.0, 0.3
"""A limit is a multiple of what launches usually take, and a floor for a busy machine.

A fixed one is what makes searches slow: nginx without CAP_SETUID answers nobody, and each such trial takes
all the time it is given.
"""

CRASH_FACTOR, CRASH_FLOOR = 2, 10
"""More processes than so many times the usual number, and some more, are a crash loop: a master that starts
its workers again and again. The floor is what scripts of an entry point vary by, as they are seen or not."""

Source = tuple[str, str, str]
"""A scenario, a phase, and what showed an answer there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """How launches go with everything granted.

    By scenario: seconds, in all and by phase; the programs that run whenever the test has passed, and how
    many processes are seen. By source: what all answers have in common. And uses of system calls in one
    launch. All of it under ``grant``.
    """

    slowest_s: Mapping[str, float] = field(default_factory=dict)
    slowest_phases_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    programs: Mapping[str, frozenset[Program]] = field(default_factory=dict)
    spawned: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[Source, Template] = field(default_factory=dict)
    uses: Mapping[Syscall, int] = field(default_factory=dict)
    grant: Grant | None = None


def usual_of(launches: Iterable[Launch]) -> Usual:
    """What launches that worked with everything granted have in common."""
    grant = None
    slowest_s: dict[str, float] = {}
    phases_s: defaultdict[str, dict[str, float]] = defaultdict(dict)
    programs: dict[str, frozenset[Program]] = {}
    spawned: dict[str, int] = {}
    texts: defaultdict[Source, list[str]] = defaultdict(list)
    for launch in launches:
        name, grant = launch.scenario, launch.grant
        slowest_s[name] = max(slowest_s.get(name, 0.0), launch.duration_s)
        for phase, took_s in launch.phases_s:
            phases_s[name][phase] = max(phases_s[name].get(phase, 0.0), took_s)
        programs[name] = programs.get(name, launch.programs) & launch.programs
        spawned[name] = max(spawned.get(name, 0), launch.spawned)
        for answer in launch.answers:
            texts[_source(launch, answer)].append(answer.text)
    return Usual(
        slowest_s=slowest_s,
        slowest_phases_s=dict(phases_s),
        programs=programs,
        spawned=spawned,
        answers={source: Template.learn(several) for source, several in texts.items()},
        grant=grant,
    )


RELOADING_S = 0.6
"""What a phase after a reload may usually take in addition: nobody waits for a reload to be over.

Of apache's launches one in 20 to one in 4 has a request that an old worker takes to its grave. Its master
looks for such once a second; with the factor and the floor that makes a limit of 2.1 s.
"""


def limit_for(usual_s: float, longest_s: float) -> float:
    """How long to wait for what usually takes so long at most."""
    return min(longest_s, LIMIT_FACTOR * usual_s + LIMIT_FLOOR_S)


def within(stage: Stage, scenario: str, usual: Usual) -> Stage:
    """The stage of a scenario, with limits from how its launches usually go."""
    spawned = usual.spawned.get(scenario)
    phases_s = usual.slowest_phases_s.get(scenario, {})
    reloading = {after for before, after in pairwise(phases_s) if before.partition(" ")[0] == Phase.RELOAD}
    longer_s = dict.fromkeys(reloading, RELOADING_S)
    return replace(
        stage,
        phase_limits_s={
            phase: limit_for(usual_s + longer_s.get(phase, 0.0), stage.limit_s)
            for phase, usual_s in phases_s.items()
        },
        most_processes=None if spawned is None else CRASH_FACTOR * spawned + CRASH_FLOOR,
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
    if launch.phase == COMPANIONS and launch.trouble is not None:
        return Verdict.UNRESOLVED, launch.trouble
    trouble = _trouble(launch) or _missing_program(launch, usual) or _difference(launch, usual)
    return _PASSED if trouble is None else (Verdict.BREAKS, trouble)


def _trouble(launch: Launch) -> str | None:
    words = _words(launch)
    return words if words is None or launch.phase in _USUAL_PHASES else f"{launch.phase}: {words}"


_USUAL_PHASES = ("", "start", "test")


def _words(launch: Launch) -> str | None:
    if launch.refused is not None:
        return f"the runtime could not start it: {launch.refused}"
    if launch.service_exit_code is not None:
        return f"the service ended with exit code {launch.service_exit_code}"
    if launch.timed_out:
        return f"no success within {launch.duration_s:.1f} s"
    if launch.trouble is not None:
        return launch.trouble
    if launch.exit_code:
        return f"the test ended with exit code {launch.exit_code}"
    return None


def _missing_program(launch: Launch, usual: Usual) -> str | None:
    missing = sorted(usual.programs.get(launch.scenario, frozenset()) - launch.programs)
    return f"{missing[0].name} does not run as user {missing[0].uid}" if missing else None


def _difference(launch: Launch, usual: Usual) -> str | None:
    """What a scenario showed otherwise than it always does, or not at all."""
    expected = {source: text for source, text in usual.answers.items() if source[0] == launch.scenario}
    for answer in launch.answers:
        template = expected.pop(_source(launch, answer), None)
        if template is not None and (difference := template.difference(answer.text)) is not None:
            return f"{answer.phase}: {answer.source}: {difference}"
    return None


def _source(launch: Launch, answer: Answer) -> Source:
    return launch.scenario, answer.phase, answer.source


def only_differs(launch: Launch, usual: Usual) -> bool:
    """Whether nothing is wrong but that something was shown otherwise than usual.

    Then it is worth a launch with everything granted to see whether that is usual by now: the time of a file
    in seconds, an hour or a counter are the same in all launches of a baseline, and not for ever.
    """
    return judge(launch, usual)[0] is Verdict.BREAKS and judge(launch, replace(usual, answers={})) == _PASSED


def widened(usual: Usual, launch: Launch) -> Usual:
    """What is usual, with what one more launch showed that had everything granted, and works."""
    if judge(launch, replace(usual, answers={})) != _PASSED:
        return usual
    templates = dict(usual.answers)
    for answer in launch.answers:
        source = _source(launch, answer)
        if source in templates:
            templates[source] = templates[source].widened(answer.text)
    return replace(usual, answers=templates)


_PASSED = (Verdict.WORKS, "the test passed")


def storms(launch: Launch, usual: Usual) -> dict[Privilege, str]:
    """The privileges whose denial set off a storm, each with what was seen.

    nginx without rt_sigsuspend passes while it spins: 2,274 denied calls in 70 ms. A call that is denied
    about as often as it used to be made is no such storm: the program falls back each time. Before uses are
    observed nothing is one: what is denied then is what Docker's own filter denies, as usual. Nor is a
    capability, whose uses are not counted: for each file of another user that root opens, the kernel asks
    for CAP_DAC_READ_SEARCH first, in vain, and then for CAP_DAC_OVERRIDE (postgres: 1,028 times).
    """
    seen: dict[Privilege, str] = {}
    if not usual.uses:
        return seen
    for denial in launch.denials or ():
        if denial.privilege in CAPABILITIES:
            continue
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
