"""Frames as figures: functions of data only. Nothing is shown, and no state is kept between them."""

from capmin.plots.comparison import comparison, needed_where
from capmin.plots.cost import cost_by_phase
from capmin.plots.exposure import exposure
from capmin.plots.matrix import trial_matrix
from capmin.plots.path import search_path

__all__ = ["comparison", "cost_by_phase", "exposure", "needed_where", "search_path", "trial_matrix"]
