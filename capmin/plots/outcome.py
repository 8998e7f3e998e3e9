"""What came of a trial, as figures show it."""

import pandas as pd

DEGRADED = "degraded"
"""It works, but so badly that it is no answer: what it withheld is kept."""


def outcomes(trials: pd.DataFrame) -> "pd.Series[str]":
    """The verdict on each trial, and `DEGRADED` for those that work badly."""
    verdicts = trials["verdict"].astype(str)
    return verdicts.mask(
        trials["degraded"].fillna(value=False).astype(bool) & (verdicts == "works"), DEGRADED
    )
