"""Trials, read for what they say about privileges."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from capmin.oracle import lacking
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.trial import Launch, Trial, Verdict

_WORD = re.compile(r"(?<!\S)[^\s\d]+(?!\S)")

_LAST_LINES = 50


def is_clean(trial: Trial) -> bool:
    """Whether it works, and not only somehow."""
    return trial.verdict is Verdict.WORKS and not trial.degraded


def in_hindsight(trial: Trial, stormy: AbstractSet[Privilege]) -> Trial | None:
    """A trial as it would have gone with what has turned out to storm since; None: nobody can tell.

    What a launch never attempted is no matter to it, so that it went as it does when that is granted. That it
    went well says nothing where it did attempt what storms only now and then.
    """
    missing = lacking(trial.grant, stormy)
    if not missing or trial.degraded:
        return trial
    if any(launch.denials is None for launch in trial.launches):
        return None if is_clean(trial) else trial
    attempted = missing & denied_privileges([trial])
    if attempted and is_clean(trial):
        return None
    return replace(trial, grant=trial.grant.adding(missing - attempted))


def lacks(trial: Trial, privilege: Privilege) -> bool:
    return privilege not in trial.grant.privileges


def reached_its_end(launch: Launch) -> bool:
    """Whether a failing launch went as far as a passing one: its test passed, and something else was wrong.

    Only then can it not have died of a denial. That a command ended by itself, with exit code 1, tells
    nothing: so do programs that die of one.
    """
    return (
        launch.exit_code == 0
        and launch.service_exit_code is None
        and launch.refused is None
        and not launch.timed_out
    )


def ended_by_itself(launch: Launch) -> bool:
    """Whether the program ended: mostly it had one process then, whose denials have an order."""
    return not launch.timed_out and (launch.service_exit_code is not None or launch.exit_code is not None)


def is_one_program(launch: Launch) -> bool:
    """Whether all denials are of one program; those of several, as in a pipeline, are ordered by chance."""
    return len({denial.program for denial in launch.denials or ()}) <= 1


def ending(launch: Launch) -> Hashable:
    """How a launch ended and what it said, to be compared with another; None where it said nothing.

    Words with a digit differ from launch to launch (times, process ids, addresses), and so does the order in
    which several processes write.
    """
    lines = [" ".join(_WORD.findall(line)) for line in launch.output.splitlines()[-_LAST_LINES:]]
    if not any(lines):
        return None
    return (launch.exit_code, launch.service_exit_code, launch.timed_out, *sorted(lines))


def denied_privileges(trials: Iterable[Trial]) -> frozenset[Privilege]:
    """The privileges that were denied in any launch."""
    return frozenset(
        denial.privilege for trial in trials for launch in trial.launches for denial in launch.denials or ()
    )


def denied_in_order(launch: Launch) -> tuple[Privilege, ...] | None:
    """The privileges denied, by their last attempt; None where that was not observed."""
    if launch.denials is None:
        return None
    return tuple(reversed(dict.fromkeys(denial.privilege for denial in reversed(launch.denials))))


def denied_times(launch: Launch) -> dict[Privilege, int]:
    """How often each privilege was denied."""
    times: Counter[Privilege] = Counter()
    for denial in launch.denials or ():
        times[denial.privilege] += denial.count
    return dict(times)


def denied_syscalls(trial: Trial) -> frozenset[Syscall]:
    """The system calls that were denied in any launch of a trial."""
    return frozenset(
        denial.syscall
        for launch in trial.launches
        for denial in launch.denials or ()
        if denial.syscall is not None and denial.privilege == denial.syscall
    )


def checked_capabilities(trials: Iterable[Trial]) -> frozenset[Capability]:
    """The capabilities that the kernel was asked for, granted or not."""
    attempts = (attempt for trial in trials for launch in trial.launches for attempt in launch.attempts or ())
    return frozenset(
        Capability(attempt.privilege) for attempt in attempts if attempt.privilege in CAPABILITIES
    )
