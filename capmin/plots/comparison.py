"""Many campaigns side by side."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from capmin.frames import check, members
from capmin.plots.palette import BLACK, KIND_COLOURS, PALE, PALER, TRIALS_COLOUR, WHITE, new_figure
from capmin.records import CAMPAIGNS

_ROW_IN = 0.36
_NAMES = {"capabilities": "capabilities", "syscalls": "system calls"}


def comparison(campaigns: pd.DataFrame, *, title: str = "") -> Figure:
    """For each campaign what is needed of what is used, and what the search cost against the lower bound.

    Args:
        campaigns: a frame of `capmin.Records.campaigns`.
        title: what they have in common.

    Raises:
        UsageError: a column is missing.
    """
    check(campaigns, CAMPAIGNS)
    figure = new_figure(width=12, height=1.9 + _ROW_IN * max(len(campaigns), 2))
    capabilities, syscalls, cost = figure.subplots(1, 3, sharey=True)
    places = np.arange(len(campaigns))[::-1]
    _bars(capabilities, places, campaigns["capability_count"], colour=KIND_COLOURS["capability"])
    capabilities.set_xlabel("Capabilities needed")
    _bars(
        syscalls,
        places,
        campaigns["syscall_count"],
        colour=KIND_COLOURS["syscall"],
        beside=campaigns["observed_count"],
        words="{} of {} observed",
    )
    syscalls.set_xlabel("System calls needed, above the floor")
    _bars(
        cost,
        places,
        campaigns["trial_count"],
        colour=TRIALS_COLOUR,
        beside=campaigns["lower_bound"],
        words="{}, at least {}",
    )
    cost.set_xlabel("Trials made")
    capabilities.set_yticks(places, campaigns["campaign"].astype(str).tolist())
    handles = [
        Line2D([], [], linestyle="", marker="|", color=BLACK, markersize=12, markeredgewidth=2, label=label)
        for label in ("system calls: observed in use; trials: the lower bound, k + 1",)
    ]
    figure.legend(handles=handles, loc="outside lower center", frameon=False)
    figure.suptitle(title or "Campaigns: what is needed, and what finding it cost", fontweight="bold")
    return figure


def needed_where(campaigns: pd.DataFrame, *, column: str = "capabilities", title: str = "") -> Figure:
    """Which privilege is needed by which campaign; the most common first.

    Args:
        campaigns: a frame of `capmin.Records.campaigns`.
        column: ``capabilities`` or ``syscalls``.
        title: what they have in common.

    Raises:
        UsageError: a column is missing.
    """
    check(campaigns, CAMPAIGNS)
    searched = campaigns[campaigns[column].notna()]
    sets = [members(text) for text in searched[column]]
    counts = {name: sum(name in names for names in sets) for name in frozenset().union(*sets)}
    rows = sorted(counts, key=lambda name: (-counts[name], name))
    cells = np.array([[name in names for names in sets] for name in rows], dtype=np.uint8)
    figure = new_figure(width=2.6 + 0.5 * max(len(sets), 4), height=1.8 + 0.17 * max(len(rows), 4))
    ax = figure.subplots()
    if cells.size > 0:
        kind = "capability" if column == "capabilities" else "syscall"
        ax.imshow(cells, cmap=ListedColormap([PALER, KIND_COLOURS[kind]]), vmin=0, vmax=1, aspect="auto")
    ax.set_yticks(range(len(rows)), [name.removeprefix("CAP_") for name in rows], fontsize=7)
    names = searched["campaign"].astype(str).tolist()
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=WHITE, linewidth=1)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    figure.suptitle(title or f"Which {_NAMES[column]} are needed where", fontweight="bold", fontsize="medium")
    return figure


def _bars(
    ax: Axes,
    places: np.ndarray,
    values: "pd.Series[int]",
    *,
    colour: str,
    beside: "pd.Series[int] | None" = None,
    words: str = "{}",
) -> None:
    """A bar each, a mark at the number beside it, and both in words; neither where nothing was searched."""
    marks = values if beside is None else beside
    longest = max(1, *(int(number) for column in (values, marks) for number in column.dropna()))
    for place, value, mark in zip(places, values, marks, strict=True):
        known = bool(pd.notna(value) and pd.notna(mark))
        end = max(int(value), int(mark)) if known else 0
        if known:
            ax.barh(place, int(value), color=colour, height=0.62)
        if known and beside is not None:
            ax.scatter([int(mark)], [place], marker="|", s=220, color=BLACK, linewidths=2, zorder=3)
        text = words.format(value, mark) if known else "not searched"
        ax.annotate(text, (end, place), xytext=(7, 0), textcoords="offset points", va="center")
    ax.set_xlim(0, 1.55 * longest)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="x", color=PALE)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
