"""Scripted programs, for the simulated engine.

A `Program` is a sequence of steps that use privileges in the ways real programs were seen to: they die for
want of one, report its lack only at the end, do without it, fall back to another, are worse off with one
than without (a trap), and sometimes fail for no reason at all.
"""

import random
from dataclasses import dataclass
from typing import Protocol

_SPINS = 100
"""More than what counts as a storm (`capmin.judge.STORM_FLOOR`) where a call is used once, or never seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one launch of a program did.

    Attributes:
        passes: whether its test passed.
        ended_normally: it reached its usual end, whatever the test said there.
        attempts: the privileges it tried, in order, with repetitions.
    """

    passes: bool
    ended_normally: bool
    attempts: tuple[str, ...]


class _Memory(Protocol):
    """What a step may do to the launch under way."""

    broken: bool
    chance: random.Random

    def use(self, privilege: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Needs:
    """Dies without it."""

    privilege: str

    def goes_on(self, launch: _Memory) -> bool:
        return launch.use(self.privilege)


@dataclass(frozen=True, slots=True)
class NeedsLater:
    """Goes on without it, but the test fails at the end."""

    privilege: str

    def goes_on(self, launch: _Memory) -> bool:
        if not launch.use(self.privilege):
            launch.broken = True
        return True


@dataclass(frozen=True, slots=True)
class NeedsNowAndThen:
    """The test fails at the end without it, in this share of the launches."""

    privilege: str
    rate: float

    def goes_on(self, launch: _Memory) -> bool:
        if not launch.use(self.privilege) and launch.chance.random() < self.rate:
            launch.broken = True
        return True


@dataclass(frozen=True, slots=True)
class Tries:
    """Uses it when it is there, and does without it."""

    privilege: str

    def goes_on(self, launch: _Memory) -> bool:
        launch.use(self.privilege)
        return True


@dataclass(frozen=True, slots=True)
class SpinsNowAndThen:
    """Uses it in this share of the launches, and tries again and again where that is denied."""

    privilege: str
    rate: float

    def goes_on(self, launch: _Memory) -> bool:
        if launch.chance.random() < self.rate and not launch.use(self.privilege):
            for _ in range(_SPINS):
                launch.use(self.privilege)
        return True


@dataclass(frozen=True, slots=True)
class NeedsOneOf:
    """Tries one after the other, and dies when none works."""

    privileges: tuple[str, ...]

    def goes_on(self, launch: _Memory) -> bool:
        return any(launch.use(privilege) for privilege in self.privileges)


@dataclass(frozen=True, slots=True)
class Trap:
    """With `bait` it takes a path on which it dies without `needs`; without `bait` it takes neither."""

    bait: str
    needs: str

    def goes_on(self, launch: _Memory) -> bool:
        return not launch.use(self.bait) or launch.use(self.needs)


Step = Needs | NeedsLater | NeedsNowAndThen | Tries | SpinsNowAndThen | NeedsOneOf | Trap


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A script of steps.

    Attributes:
        steps: what it does, in order.
        error_paths: for each step, what it tries after dying there (in vain or not).
        flake_rate: how often a launch fails though it has all it needs: half of the time it dies somewhere,
            half of the time the test fails at the end.
    """

    steps: tuple[Step, ...]
    error_paths: tuple[tuple[str, ...], ...] = ()
    flake_rate: float = 0.0

    def run(self, granted: frozenset[str], *, seed: int | str = 0) -> Run:
        """Launch it once; equal seeds give equal runs."""
        # Not for secrets: a launch has to be repeatable.
        chance = random.Random(seed)  # noqa: S311
        flakes = chance.random() < self.flake_rate
        dies_at = chance.randrange(len(self.steps) + 1) if flakes and chance.random() < 0.5 else None  # noqa: PLR2004
        launch = _Launch(granted, chance)
        for index, step in enumerate(self.steps):
            if index == dies_at or not step.goes_on(launch):
                for privilege in self.error_paths[index] if self.error_paths else ():
                    launch.use(privilege)
                return Run(passes=False, ended_normally=False, attempts=tuple(launch.attempts))
        return Run(
            passes=not launch.broken and not flakes, ended_normally=True, attempts=tuple(launch.attempts)
        )

    def privileges(self) -> frozenset[str]:
        """Everything it could ever try."""
        mentioned = {privilege for step in self.steps for privilege in _mentioned(step)}
        return frozenset(mentioned.union(*self.error_paths))


class _Launch:
    def __init__(self, granted: frozenset[str], chance: random.Random) -> None:
        self.broken = False
        self.chance = chance
        self.attempts: list[str] = []
        self._granted = granted

    def use(self, privilege: str) -> bool:
        self.attempts.append(privilege)
        return privilege in self._granted


def _mentioned(step: Step) -> tuple[str, ...]:
    match step:
        case NeedsOneOf(privileges):
            return privileges
        case Trap(bait, needs):
            return bait, needs
        case NeedsNowAndThen(privilege, _) | SpinsNowAndThen(privilege, _):
            return (privilege,)
        case Needs(privilege) | NeedsLater(privilege) | Tries(privilege):
            return (privilege,)
