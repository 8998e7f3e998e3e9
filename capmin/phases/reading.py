"""Trials, read for what they say about privileges."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from capmin.oracle import lacking
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.trial import End, Launch, Trial, Verdict

_WORD = re.compile(r"(?<!\S)(?!\S*[a-z][A-Z])[^\s\d]+(?!\S)")

_FEW_LINES, _RECURS = 8, 3


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


def ending(launch: Launch, failed: End | None) -> Hashable:
    """How a launch ended, what failed first, and what was said; None where nothing was said.

    Words with a digit, or with a capital inside, differ from launch to launch (times, process ids, addresses,
    the names of temporary files), and so does the order in which several processes write. Of many lines some
    more or less come of chance: rsync complains of each file, until one of its processes ends the others.
    """
    lines = [_WORD.findall(line) for line in launch.output.splitlines()]
    if not any(lines):
        return None
    program = None if failed is None else failed.program
    how = (launch.exit_code, launch.service_exit_code, launch.timed_out, program)
    if len(lines) <= _FEW_LINES:
        return (*how, *sorted(map(" ".join, lines)))
    words = Counter(word for line in lines for word in frozenset(line))
    return (*how, frozenset(word for word, times in words.items() if times >= _RECURS))


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


def failed_first(launch: Launch, usual: AbstractSet[tuple[str, int | None]]) -> End | None:
    """The process whose end was the first that is not usual; None where there is none.

    ``usual`` are programs and exit codes as they are seen in passing launches.
    """
    ends = (end for end in launch.ends if end.denied and end.code != 0)
    return next((end for end in ends if (end.program, end.code) not in usual), None)


def tolerated(launch: Launch) -> frozenset[Syscall]:
    """What processes were denied that ended well all the same."""
    return frozenset(name for end in launch.ends if end.code == 0 for name in end.denied)


def attempted(trial: Trial) -> frozenset[Privilege] | None:
    """All that may have mattered to a trial that fails; None where nobody knows.

    What is granted and was not watched counts as attempted, capabilities among it. A trial that passes is
    taken for what it was granted: it may have been by chance that it did not come to a call, and then that
    would be dropped.
    """
    launch = trial.launches[-1]
    granted = trial.grant.syscalls
    if trial.verdict is Verdict.WORKS or granted is None or launch.attempts is None or launch.refused:
        return None
    unseen = (granted - launch.watched) | trial.grant.capabilities
    return unseen.union(attempt.privilege for attempt in launch.attempts)


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
