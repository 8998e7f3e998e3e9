"""The path of a search: how the grant shrank, trial by trial."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from capmin.frames import TRIALS, check
from capmin.plots.filtering import as_filtered
from capmin.plots.outcome import outcomes
from capmin.plots.palette import BLACK, BLUE, OUTCOME_COLOURS, OUTCOME_MARKERS, PALE, PALER, new_figure

_KINDS = (("capability_count", "Capabilities"), ("syscall_count", "System calls above the floor"))

_NAME_GAP = 0.03
"""Share of the axis between two slanted names, below which they touch."""

_LONG_SHARE = 0.05
"""A phase that comes back is named again where it takes this share of the trials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Trials of one phase, one after the other: the first and the last, by number."""

    phase: str
    first: int
    last: int


def search_path(trials: pd.DataFrame, *, lower_bound: int | None = None, title: str = "") -> Figure:
    """The size of the grant that each trial had, and of the smallest that worked so far.

    Each trial stands in the panel of the kind of privilege that it is about: a search for system calls
    would otherwise fill that of the capabilities with trials that withhold none of them.

    Args:
        trials: a frame of `capmin.frames.trials_frame`, one campaign's.
        lower_bound: the fewest trials any search needs for this answer (k + 1), marked where given.
        title: what the campaign was about.

    Raises:
        UsageError: a column is missing.
    """
    check(trials, TRIALS)
    trials = as_filtered(trials.sort_values("trial"))
    kinds = [(column, name) for column, name in _KINDS if trials[column].notna().any()] or [_KINDS[0]]
    figure = new_figure(width=10, height=1.2 + 2.9 * len(kinds))
    axes = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (column, name) in zip(axes, kinds, strict=True):
        _draw_sizes(ax, trials, column)
        ax.set_ylabel(f"{name}\ngranted (count)")
        if lower_bound is not None:
            ax.axvline(lower_bound, color=BLACK, linestyle=":", linewidth=1.4, zorder=1)
    _name_stretches(axes[0], trials)
    axes[-1].set_xlabel("Trial (number in the campaign)")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title or "Search path: what each trial granted", fontweight="bold", parse_math=False)
    figure.legend(
        handles=_path_handles(trials, lower_bound), loc="outside lower center", ncols=5, frameon=False
    )
    return figure


def _draw_sizes(ax: Axes, trials: pd.DataFrame, column: str) -> None:
    shown = trials[trials[column].notna()]
    about = shown[is_about(shown, column)]
    for outcome, colour in OUTCOME_COLOURS.items():
        those = about[outcomes(about) == outcome]
        ax.scatter(
            those["trial"].astype(int),
            those[column].astype(int),
            s=26,
            color=colour,
            marker=OUTCOME_MARKERS[outcome],
            linewidths=0,
            zorder=3,
        )
    best = best_so_far(shown, column)
    ax.step(best.index, best.to_numpy(), where="post", color=BLUE, linewidth=1.8, zorder=2)
    if len(best):
        ax.annotate(
            f"{int(best.iloc[-1])}",
            (float(best.index[-1]), float(best.iloc[-1])),
            xytext=(7, 0),
            textcoords="offset points",
            color=BLUE,
            va="center",
        )
    _shade_stretches(ax, trials)
    ax.set_ylim(bottom=min(-0.5, -0.03 * float(shown[column].max() if len(shown) else 1)))
    ax.set_xlim(*_span(trials))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", color=PALE, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def best_so_far(trials: pd.DataFrame, column: str) -> "pd.Series[float]":
    """The smallest size that worked, by trial number; a degraded trial is not an answer."""
    works = (trials["verdict"] == "works") & ~trials["degraded"].fillna(value=False)
    sizes = trials[column].astype(float).where(works.astype(bool)).cummin().ffill()
    sizes.index = pd.Index(trials["trial"].astype(int))
    return sizes.dropna()


def stretches(trials: pd.DataFrame) -> Iterator[Stretch]:
    numbers, phases = trials["trial"].astype(int).tolist(), trials["phase"].astype(str).tolist()
    start = 0
    for index in range(1, len(phases) + 1):
        if index == len(phases) or phases[index] != phases[start]:
            yield Stretch(phase=phases[start], first=numbers[start], last=numbers[index - 1])
            start = index


def _shade_stretches(ax: Axes, trials: pd.DataFrame) -> None:
    for index, stretch in enumerate(stretches(trials)):
        if index % 2:
            ax.axvspan(stretch.first - 0.5, stretch.last + 0.5, color=PALER, zorder=0, linewidth=0)


def _name_stretches(ax: Axes, trials: pd.DataFrame) -> None:
    """Phases above the plot, slanted; the names of short ones beside each other are moved apart."""
    first, last = _span(trials)
    shown: set[str] = set()
    free_from = 0.0
    for stretch in stretches(trials):
        if stretch.phase in shown and stretch.last - stretch.first < _LONG_SHARE * (last - first):
            continue
        shown.add(stretch.phase)
        middle = (stretch.first + stretch.last) / 2
        place = max((middle - first) / (last - first), free_from)
        free_from = place + _NAME_GAP
        ax.annotate(
            stretch.phase,
            (place, 1.0),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            rotation=35,
            rotation_mode="anchor",
            fontsize=8,
            color="#444444",
        )


def _span(trials: pd.DataFrame) -> tuple[float, float]:
    """The ends of the axis of trials."""
    return (float(trials["trial"].min()) - 0.5, float(trials["trial"].max()) + 0.5) if len(trials) else (0, 1)


def is_about(trials: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Whether a trial tells about this kind: fewer capabilities than the best before it, or not."""
    best = best_so_far(trials, "capability_count").reindex(trials["trial"].astype(int)).shift(1)
    fewer = trials["capability_count"].astype(float) < best.to_numpy()
    alone = trials["syscall_count"].isna()
    return (fewer | alone) if column == "capability_count" else ~fewer


def _path_handles(trials: pd.DataFrame, lower_bound: int | None) -> list[Line2D]:
    handles = [
        Line2D([], [], linestyle="", marker=OUTCOME_MARKERS[outcome], color=colour, label=outcome)
        for outcome, colour in OUTCOME_COLOURS.items()
        if (outcomes(trials) == outcome).any()
    ]
    handles.append(Line2D([], [], color=BLUE, linewidth=1.8, label="smallest that worked so far"))
    if lower_bound is not None:
        label = f"lower bound: {lower_bound} trials (k + 1)"
        handles.append(Line2D([], [], color=BLACK, linestyle=":", linewidth=1.4, label=label))
    return handles
