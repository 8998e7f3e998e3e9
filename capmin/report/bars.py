"""Where the time went: bars that the style draws."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from capmin.plots.outcome import outcomes
from capmin.plots.palette import OUTCOME_COLOURS


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A part of a bar: what it stands for, and its share of the longest bar in percent."""

    name: str
    percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A phase: how many trials it took, and how many seconds of launches."""

    label: str
    trials: int
    seconds: float
    stretches: tuple[Stretch, ...]


def phase_bars(trials: pd.DataFrame) -> tuple[Bar, ...]:
    """A bar for each phase, in the order in which they were begun."""
    if not len(trials):
        return ()
    ordered = trials[["trial", "phase", "verdict", "degraded", "duration_s"]].sort_values("trial")
    groups = ordered.groupby([ordered["phase"].astype(str), outcomes(ordered)], sort=False)["duration_s"]
    phases: dict[str, dict[str, float]] = {}
    counts: Counter[str] = Counter()
    for key, durations_s in groups:
        phase, outcome = map(str, key)
        phases.setdefault(phase, {})[outcome] = float(durations_s.sum())
        counts[phase] += len(durations_s)
    longest = max((sum(spent.values()) for spent in phases.values()), default=0.0) or 1.0
    return tuple(
        Bar(
            label=phase,
            trials=counts[phase],
            seconds=sum(spent.values()),
            stretches=tuple(
                Stretch(name=outcome, percent=100 * spent[outcome] / longest)
                for outcome in OUTCOME_COLOURS
                if outcome in spent
            ),
        )
        for phase, spent in phases.items()
    )
