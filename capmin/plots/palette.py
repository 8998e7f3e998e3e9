"""What figures have in common: one colour and one marker for one thing, and no state between figures.

Colours are Okabe and Ito's (jfly.uni-koeln.de/color), which tell apart also for the colour-blind.
"""

from collections.abc import Mapping
from types import MappingProxyType

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

GREEN, VERMILLION, ORANGE, GREY = "#009E73", "#D55E00", "#E69F00", "#999999"
BLUE, BLACK = "#0072B2", "#000000"
PALE, PALER, PALE_YELLOW, WHITE = "#E3E3E3", "#F5F5F5", "#F7F0C0", "#FFFFFF"

# Apart from the colours of outcomes, so that no bar is taken for one.
KIND_COLOURS: Mapping[str, str] = MappingProxyType({"capability": "#7B3294", "syscall": "#0072B2"})
TRIALS_COLOUR = "#777777"
OUTCOME_COLOURS: Mapping[str, str] = MappingProxyType(
    {"works": GREEN, "degraded": ORANGE, "breaks": VERMILLION, "unresolved": GREY}
)
OUTCOME_MARKERS: Mapping[str, str] = MappingProxyType(
    {"works": "o", "degraded": "D", "breaks": "X", "unresolved": "s"}
)


def new_figure(*, width: float, height: float) -> Figure:
    """A figure in inches, of its own: pyplot would keep every one for the life of the process."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
