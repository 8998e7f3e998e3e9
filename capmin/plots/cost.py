"""Where the time of a campaign went."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from capmin.frames import TRIALS, check
from capmin.plots.outcome import outcomes
from capmin.plots.palette import OUTCOME_COLOURS, PALE, new_figure


def cost_by_phase(trials: pd.DataFrame, *, title: str = "") -> Figure:
    """The seconds that launches took in each phase, by outcome, and how many trials they were.

    Args:
        trials: a frame of `capmin.frames.trials_frame`, one campaign's.
        title: what the campaign was about.

    Raises:
        UsageError: a column is missing.
    """
    check(trials, TRIALS)
    phases = list(dict.fromkeys(trials.sort_values("trial")["phase"].astype(str)))
    seconds = _seconds(trials)
    counts = trials["phase"].astype(str).value_counts()
    figure = new_figure(width=10, height=1.6 + 0.42 * max(len(phases), 2))
    ax = figure.subplots()
    places = list(range(len(phases)))[::-1]
    left = [0.0] * len(phases)
    shown = [outcome for outcome in OUTCOME_COLOURS if outcome in {outcome for _, outcome in seconds}]
    for outcome in shown:
        widths = [seconds.get((phase, outcome), 0.0) for phase in phases]
        ax.barh(places, widths, left=left, color=OUTCOME_COLOURS[outcome], height=0.62)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, phase, total in zip(places, phases, left, strict=True):
        noun = "trial" if counts[phase] == 1 else "trials"
        text = f"{total:.1f} s, {counts[phase]} {noun}"
        ax.annotate(text, (total, place), xytext=(5, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, phases)
    ax.set_xlabel("Launches, seconds")
    ax.set_xlim(0, 1.25 * max([*left, 0.1]))
    ax.grid(axis="x", color=PALE)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    handles = [Patch(facecolor=OUTCOME_COLOURS[name], label=name) for name in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title or "Cost: the time that launches took, by phase", fontweight="bold")
    return figure


def _seconds(trials: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The time of launches, by phase and outcome."""
    keys = zip(trials["phase"].astype(str), outcomes(trials), strict=True)
    sums: dict[tuple[str, str], float] = {}
    for key, duration_s in zip(keys, trials["duration_s"].astype(float), strict=True):
        sums[key] = sums.get(key, 0.0) + duration_s
    return sums
