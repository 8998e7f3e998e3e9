"""Frames as figures: functions of data only. Nothing is shown, and no state is kept between them."""

from capmin.plots.matrix import trial_matrix
from capmin.plots.path import search_path

__all__ = ["search_path", "trial_matrix"]
