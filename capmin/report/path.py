"""The path of the search as vector graphics, in the colours of the page."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from capmin.plots.filtering import as_filtered
from capmin.plots.outcome import outcomes
from capmin.plots.path import best_so_far, is_about, stretches

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 960, 46, 40, 150, 40, 68
_KINDS = (
    ("capability_count", "capabilities granted"),
    ("syscall_count", "system calls granted, above the floor"),
)
_TICKS = 4

_DRAWN = ["trial", "phase", "verdict", "degraded", *(column for column, _ in _KINDS)]
"""The columns that it takes: to sort and group the sets of 100,000 trials with them takes seconds."""

NAME = 46
"""Room that a slanted name takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A trial's place, in pixels."""

    x: float
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    place: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One kind of privilege: marks by outcome, and the line of the smallest that worked."""

    label: str
    top: float
    bottom: float
    marks: dict[str, tuple[Mark, ...]]
    line: str
    end: Tick | None
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseName:
    """A stretch of trials of one phase; a phase that comes back is named once, at ``place``."""

    left: float
    right: float
    name: str
    place: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PathDrawing:
    width: int
    height: float
    panels: tuple[Panel, ...]
    phases: tuple[PhaseName, ...]
    bound: float | None
    lower_bound: int
    trials: tuple[Tick, ...]


def draw_path(trials: pd.DataFrame, *, lower_bound: int) -> PathDrawing:
    """The path of one campaign.

    Marks that fall on the same pixel are drawn once: of 100,000 trials most do.
    """
    trials = as_filtered(trials[_DRAWN].sort_values("trial"))
    last = int(trials["trial"].max())
    kinds = [(column, label) for column, label in _KINDS if trials[column].notna().any()]
    panels = tuple(
        _panel(trials, column, label, top=TOP + index * (PANEL + GAP), last=last)
        for index, (column, label) in enumerate(kinds)
    )
    return PathDrawing(
        width=WIDTH,
        height=TOP + len(kinds) * (PANEL + GAP) + 14,
        panels=panels,
        phases=tuple(_phases(trials, last)),
        bound=_x(lower_bound, last) if lower_bound <= last else None,
        lower_bound=lower_bound,
        trials=tuple(Tick(place=_x(number, last), label=str(number)) for number in _trial_ticks(last)),
    )


def _panel(trials: pd.DataFrame, column: str, label: str, *, top: float, last: int) -> Panel:
    shown = trials[trials[column].notna()]
    highest = max(int(shown[column].max()), 1)

    def y(value: float) -> float:
        return round(top + PANEL - PANEL * value / highest, 1)

    about = shown[is_about(shown, column)]
    marks = {
        str(outcome): tuple(
            Mark(x=x, y=place)
            for x, place in dict.fromkeys(
                (_x(trial, last), y(count))
                for trial, count in zip(those["trial"].astype(int), those[column].astype(int), strict=True)
            )
        )
        for outcome, those in about.groupby(outcomes(about))
    }
    best = best_so_far(shown, column)
    changes = best[best.diff() != 0]
    numbers, sizes = [int(number) for number in changes.index.tolist()], changes.tolist()
    steps = [f"H{_x(number, last)}V{y(size)}" for number, size in zip(numbers, sizes, strict=True)]
    if steps:
        steps[0] = f"M{_x(numbers[0], last)},{y(sizes[0])}"
    end = None if best.empty else Tick(place=y(float(best.iloc[-1])), label=str(int(best.iloc[-1])))
    return Panel(
        label=label,
        top=top,
        bottom=top + PANEL,
        marks=marks,
        line="".join([*steps, f"H{WIDTH - RIGHT}"]) if steps else "",
        end=end,
        ticks=tuple(Tick(place=y(value), label=str(value)) for value in _ticks(highest)),
    )


def _x(trial: int, last: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (trial - 0.5) / max(last, 1), 1)


def _ticks(highest: int) -> Iterator[int]:
    step = max(1, -(-highest // _TICKS))
    return iter(range(0, highest + 1, step))


def _trial_ticks(last: int) -> list[int]:
    step = max(1, -(-last // 8))
    return [1, *range(step, last + 1, step)] if step > 1 else list(range(1, last + 1))


def _phases(trials: pd.DataFrame, last: int) -> Iterator[PhaseName]:
    half = (WIDTH - LEFT - RIGHT) / max(last, 1) / 2
    free = 0.0
    named: set[str] = set()
    for stretch in stretches(trials):
        left, right = _x(stretch.first, last) - half, _x(stretch.last, last) + half
        name = "" if stretch.phase in named else stretch.phase
        place = max(left + 6, free)
        if name:
            named.add(name)
            free = place + NAME
        yield PhaseName(left=round(left, 1), right=round(right, 1), name=name, place=round(place, 1))
