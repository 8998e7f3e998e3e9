"""Observe which system calls the scenarios use, in rounds (design.md, section 5)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from capmin.engines import Observe
from capmin.grant import Grant
from capmin.judge import Stage
from capmin.oracle import Oracle
from capmin.privileges import Syscall
from capmin.trial import Trial, Verdict

QUIET_ROUNDS = 2
"""Rounds that pass and see nothing new, one after the other, until the observation is complete."""

MOST_ROUNDS = 12


def observe_syscalls(oracle: Oracle, grant: Grant, *, capabilities: bool = False) -> dict[Syscall, int]:
    """The calls made under these capabilities, above the floor, and how often each in one run at most.

    What one round saw is allowed in the next, so that a busy program is slow once, and the last rounds run
    at full speed. A round that fails adds what it saw all the same: it may have run into its time limit
    because everything was notified. Calls that the runtime's default filter denies are counted, not granted:
    glibc tries clone3 for every thread (apache: 54 times), and to be denied it is no storm. With
    ``capabilities`` the first round traces those, too.
    """
    seen: dict[Syscall, int] = {}
    denied: dict[Syscall, int] = {}
    quiet = 0
    for number in range(MOST_ROUNDS):
        adapt = _watching_all if capabilities and number == 0 else _watching
        trial = oracle.ask(grant.with_syscalls(seen.keys()), phase="observe", adapt=adapt)
        new = used_syscalls(trial)
        seen |= new
        denied |= denied_syscalls(trial)
        quiet = quiet + 1 if trial.verdict is Verdict.WORKS and not new else 0
        if quiet == QUIET_ROUNDS:
            break
    return denied | seen


def observe_the_rest(oracle: Oracle, grant: Grant, known: Iterable[Syscall]) -> Trial:
    """A trial with everything granted that shows the calls made besides those that are known."""
    return oracle.ask(grant.with_syscalls(known), phase="observe", adapt=_watching)


def used_syscalls(trial: Trial) -> dict[Syscall, int]:
    """The notified calls that were let through, with the most often that one launch made each."""
    return _counted(trial, denied=False)


def denied_syscalls(trial: Trial) -> dict[Syscall, int]:
    """The notified calls that were denied, likewise."""
    return _counted(trial, denied=True)


def _counted(trial: Trial, *, denied: bool) -> dict[Syscall, int]:
    most: dict[Syscall, int] = {}
    for launch in trial.launches:
        counts = Counter[Syscall]()
        for attempt in launch.attempts or ():
            if attempt.denied == denied and attempt.syscall == attempt.privilege:
                counts[attempt.syscall] += attempt.count
        most |= {name: max(count, most.get(name, 0)) for name, count in counts.items()}
    return most


def _watching(stage: Stage) -> Stage:
    return replace(stage, observe=Observe.USES)


def _watching_all(stage: Stage) -> Stage:
    return replace(stage, observe=Observe.USES, observe_capabilities=True)
