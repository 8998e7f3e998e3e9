"""The matrix of trials by privilege: what each trial withheld, and what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from capmin.frames import TRIALS, check, members
from capmin.plots.filtering import as_filtered
from capmin.plots.outcome import outcomes
from capmin.plots.palette import BLACK, GREY, OUTCOME_COLOURS, PALE, PALE_YELLOW, WHITE, new_figure

_LABELLED_ROWS = 260
"""More privileges than this, and their names would run into each other."""

_ROW_IN = 0.11
_LARGEST_IN = 30.0


class Cell(IntEnum):
    GRANTED = 0
    WORKS = 1
    DEGRADED = 2
    BREAKS = 3
    UNRESOLVED = 4
    DROPPED = 5
    DEFAULT = 6


_COLOURS = (PALE, *OUTCOME_COLOURS.values(), WHITE, PALE_YELLOW)
_LABELS = (
    "granted",
    *(f"withheld: {outcome}" for outcome in OUTCOME_COLOURS),
    "dropped before",
    "no filter of its own",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tried:
    """A trial: what it granted (no system calls: the default filter) and what came of it."""

    capabilities: frozenset[str]
    syscalls: frozenset[str] | None
    outcome: Cell

    def of_kind(self, name: str) -> frozenset[str] | None:
        return self.capabilities if name.startswith("CAP_") else self.syscalls


def trial_matrix(trials: pd.DataFrame, *, title: str = "") -> Figure:
    """Which trial withheld which privilege, and what came of it.

    A cell has the colour of the outcome where the trial withheld what the best grant so far still had: only
    that can be why it broke. Rows are the privileges that trials differ in: of each kind, first those kept,
    by name, then those dropped, in the order in which they were.

    Args:
        trials: a frame of `capmin.frames.trials_frame`, one campaign's.
        title: what the campaign was about.

    Raises:
        UsageError: a column is missing.
    """
    check(trials, TRIALS)
    trials = as_filtered(trials.sort_values("trial"))
    rows, cells = matrix_cells(list(tried_trials(trials)))
    height = min(2.2 + _ROW_IN * max(len(rows), 12), _LARGEST_IN)
    figure = new_figure(width=12, height=height)
    ax = figure.subplots()
    if rows:
        colours = ListedColormap(list(_COLOURS))
        ax.imshow(cells, cmap=colours, vmin=0, vmax=len(_COLOURS) - 1, aspect="auto", interpolation="nearest")
    _label_rows(ax, rows)
    _label_trials(ax, trials["trial"].astype(int).tolist())
    figure.suptitle(title or "Trial matrix: what each trial withheld", fontweight="bold", parse_math=False)
    handles = [
        Patch(facecolor=colour, edgecolor=GREY, label=label)
        for colour, label in zip(_COLOURS, _LABELS, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def tried_trials(trials: pd.DataFrame) -> Iterator[_Tried]:
    for capabilities, syscalls, outcome in zip(
        trials["capabilities"], trials["syscalls"], outcomes(trials), strict=True
    ):
        yield _Tried(
            capabilities=members(capabilities),
            syscalls=None if pd.isna(syscalls) else members(syscalls),
            outcome=Cell[outcome.upper()],
        )


def matrix_cells(tried: Sequence[_Tried]) -> tuple[list[str], np.ndarray]:
    """The privileges that trials differ in, and a `Cell` for each and each trial."""
    names = {name for trial in tried for name in trial.capabilities | (trial.syscalls or frozenset())}
    lines = {name: _line(name, tried) for name in names}
    rows = sorted(
        (name for name in names if _varies(lines[name])), key=lambda name: _order(name, lines[name])
    )
    return rows, np.array([lines[name] for name in rows], dtype=np.uint8)


def _line(name: str, tried: Sequence[_Tried]) -> list[Cell]:
    """The cells of a privilege, which is dropped while the last trial accepted was without it."""
    cells, dropped = [], False
    for trial in tried:
        granted = trial.of_kind(name)
        if granted is None:
            cells.append(Cell.DEFAULT)
            continue
        if name in granted:
            cells.append(Cell.GRANTED)
        else:
            cells.append(Cell.DROPPED if dropped else trial.outcome)
        if trial.outcome is Cell.WORKS:
            dropped = name not in granted
    return cells


def _varies(line: Sequence[Cell]) -> bool:
    return Cell.GRANTED in line and bool(set(line) - {Cell.GRANTED, Cell.DEFAULT})


def _order(name: str, line: Sequence[Cell]) -> tuple[bool, int, str]:
    """Capabilities first; of each kind by when it was dropped, what never was first."""
    dropped = max((at for at, cell in enumerate(line) if cell is Cell.WORKS), default=-1)
    return not name.startswith("CAP_"), dropped, name


def _label_rows(ax: Axes, rows: Sequence[str]) -> None:
    if len(rows) <= _LABELLED_ROWS:
        ax.set_yticks(range(len(rows)), list(rows), fontsize=6)
    else:
        ax.set_yticks([])
    ax.set_ylabel(f"Privilege ({len(rows)} that trials differ in)")
    capabilities = sum(name.startswith("CAP_") for name in rows)
    if 0 < capabilities < len(rows):
        ax.axhline(capabilities - 0.5, color=BLACK, linewidth=0.8)


def _label_trials(ax: Axes, numbers: Sequence[int]) -> None:
    marks = sorted({round(at) for at in np.linspace(0, len(numbers) - 1, 13)}) if numbers else []
    ax.set_xticks(marks, [str(numbers[mark]) for mark in marks])
    ax.set_xlabel("Trial (number in the campaign)")
