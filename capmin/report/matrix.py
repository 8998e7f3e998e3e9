"""The matrix of trials by privilege as vector graphics, in the colours of the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from capmin.plots.filtering import as_filtered
from capmin.plots.matrix import Cell, matrix_cells, tried_trials

MOST_TRIALS = 1_200
"""Beyond this a trial is less than a pixel wide; the last ones hold the certificate."""

WIDTH, LEFT, ROW, TOP = 960, 170, 13, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Cells alike, side by side: where they begin, how wide they are, and what they say."""

    x: float
    width: float
    cell: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    privilege: str
    y: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixDrawing:
    """``first`` and ``last`` are the numbers of the trials shown; ``omitted`` are not."""

    width: int
    left: int
    height: int
    row: int
    rows: tuple[Row, ...]
    first: int
    last: int
    omitted: int


def draw_matrix(trials: pd.DataFrame) -> MatrixDrawing:
    """The matrix of one campaign's last trials."""
    shown = as_filtered(trials.nlargest(MOST_TRIALS, "trial").sort_values("trial"))
    names, cells = matrix_cells(list(tried_trials(shown)))
    return MatrixDrawing(
        width=WIDTH,
        left=LEFT,
        row=ROW,
        height=TOP + ROW * len(names) + 22,
        rows=tuple(
            Row(privilege=name, y=TOP + ROW * index, runs=tuple(_runs(line.tolist(), len(shown))))
            for index, (name, line) in enumerate(zip(names, cells, strict=True))
        ),
        first=int(shown["trial"].iloc[0]),
        last=int(shown["trial"].iloc[-1]),
        omitted=len(trials) - len(shown),
    )


def _runs(line: Sequence[int], count: int) -> Iterator[Run]:
    """What is granted is the ground, and not drawn."""
    step = (WIDTH - LEFT) / count
    at = 0
    for value, cells in groupby(line):
        length = len(list(cells))
        cell = Cell(value)
        if cell is not Cell.GRANTED:
            # No narrower than can be seen.
            yield Run(
                x=round(LEFT + at * step, 2), width=round(max(length * step, 0.8), 2), cell=cell.name.lower()
            )
        at += length
