"""What a grant exposes, before and after."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from capmin.exposure import EXPOSURE
from capmin.frames import check
from capmin.plots.palette import KIND_COLOURS, PALE, new_figure

_SIDES = (("before", "Docker's default"), ("after", "the answer"))
_KIND_LABELS = {"capability": "capabilities", "syscall": "system calls"}


def exposure(frame: pd.DataFrame, *, title: str = "") -> Figure:
    """The score by kind of privilege, before and after, with how many privileges make it up.

    Args:
        frame: of `capmin.exposure.exposure_frame`, one campaign's.
        title: what the campaign was about.

    Raises:
        UsageError: a column is missing.
    """
    check(frame, EXPOSURE)
    figure = new_figure(width=10, height=2.6)
    ax = figure.subplots()
    places = list(range(len(_SIDES)))[::-1]
    left = [0.0] * len(_SIDES)
    for kind, colour in KIND_COLOURS.items():
        widths = [float(_granted(frame, side, kind)["weight"].sum()) for side, _ in _SIDES]
        counts = [len(_granted(frame, side, kind)) for side, _ in _SIDES]
        ax.barh(places, widths, left=left, color=colour, height=0.6)
        _write_counts(ax, places, left, widths, [f"{count} {_KIND_LABELS[kind]}" for count in counts])
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, total in zip(places, left, strict=True):
        ax.annotate(
            f"{total:.0f}",
            (total, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontweight="bold",
        )
    ax.set_yticks(places, [label for _, label in _SIDES])
    ax.set_xlabel("Exposure score (a weighting, no promise of safety)")
    ax.set_xlim(0, 1.1 * max([*left, 1.0]))
    ax.grid(axis="x", color=PALE, zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    handles = [Patch(facecolor=colour, label=_KIND_LABELS[kind]) for kind, colour in KIND_COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(title or "Exposure: what the container is granted", fontweight="bold")
    return figure


def _granted(frame: pd.DataFrame, side: str, kind: str) -> pd.DataFrame:
    return frame[frame[side].astype(bool) & (frame["kind"] == kind)]


def _write_counts(
    ax: Axes, places: Sequence[int], left: Sequence[float], widths: Sequence[float], texts: Sequence[str]
) -> None:
    """Inside the bars, where they are long enough for it."""
    longest = max([*(start + width for start, width in zip(left, widths, strict=True)), 1.0])
    for place, start, width, text in zip(places, left, widths, texts, strict=True):
        if width > 0.18 * longest:
            ax.text(start + width / 2, place, text, ha="center", va="center", color="white")
