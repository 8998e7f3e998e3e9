"""Figures show what the frame says, and draw without a warning whatever it holds.

- The path: a mark for each trial, in the panel of what it is about; the best only ever shrinks.
- The matrix: a cell has a verdict's colour only where the trial withheld what the best so far still had.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given, settings
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from capmin import frames, plots
from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.plots.matrix import Cell, matrix_cells, tried_trials
from capmin.plots.outcome import outcomes
from capmin.plots.path import best_so_far, is_about
from capmin.privileges import Capability, Syscall
from capmin.trial import Trial, Verdict
from tests.unit import trial_strategies as strategies

W, B, U = Verdict.WORKS, Verdict.BREAKS, Verdict.UNRESOLVED
CHOWN, KILL = "CAP_CHOWN", "CAP_KILL"


def trial(number: int, verdict: Verdict, capabilities: str, syscalls: str | None, phase: str = "x") -> Trial:
    return Trial(
        number=number,
        phase=phase,
        grant=Grant(
            capabilities=frozenset(Capability(name) for name in capabilities.split()),
            syscalls=None if syscalls is None else frozenset(Syscall(name) for name in syscalls.split()),
        ),
        launches=(),
        verdict=verdict,
        reason="",
    )


# CAP_KILL goes, then bind; without CAP_CHOWN and without read it breaks.
CAMPAIGN = (
    trial(1, W, f"{CHOWN} {KILL}", None, "baseline"),
    trial(2, B, KILL, None, "capabilities"),
    trial(3, W, CHOWN, None, "capabilities"),
    trial(4, W, CHOWN, "bind read", "syscalls"),
    trial(5, B, CHOWN, "bind", "syscalls"),
    trial(6, W, CHOWN, "read", "syscalls"),
    trial(7, B, "", "read", "certify"),
    trial(8, U, CHOWN, "", "certify"),
)
FRAME = frames.trials_frame(CAMPAIGN)


def with_usual_phases(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Phases are capmin's own words; a font has no glyph for just any."""
    phases = ("baseline", "capabilities", "syscalls", "certify")
    return tuple(replace(each, phase=phases[each.number % 4]) for each in trials)


def image(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


def numbers_about(trials: Iterable[Trial], column: str) -> list[int]:
    frame = frames.trials_frame(trials)
    frame = frame[frame[column].notna()]
    return frame["trial"][is_about(frame, column)].astype(int).tolist()


def words(ax: Axes) -> set[str]:
    return {text.get_text() for text in ax.texts}


def test_trials_stand_in_the_panel_of_what_they_are_about() -> None:
    assert numbers_about(CAMPAIGN, "capability_count") == [1, 2, 3, 7]
    assert numbers_about(CAMPAIGN, "syscall_count") == [4, 5, 6, 8]


def test_a_capability_dropped_while_system_calls_are_filteredis_about_capabilities() -> None:
    trials = (trial(1, W, f"{CHOWN} {KILL}", "read"), trial(2, W, CHOWN, "read"))
    assert numbers_about(trials, "capability_count") == [2]


def test_the_best_is_the_smallest_that_worked() -> None:
    assert best_so_far(FRAME, "capability_count").tolist() == [2, 2, 1, 1, 1, 1, 1, 1]
    assert best_so_far(FRAME, "syscall_count").to_dict() == {4: 2, 5: 2, 6: 1, 7: 1, 8: 1}


def test_the_path_is_labelled_with_units_phases_and_the_bound() -> None:
    figure = plots.search_path(FRAME, lower_bound=3)
    top, bottom = figure.axes
    assert words(top) == {"baseline", "capabilities", "syscalls", "certify", "1"}
    assert "Capabilities" in top.get_ylabel()
    assert "System calls" in bottom.get_ylabel()
    assert "Trial" in bottom.get_xlabel()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "works",
        "breaks",
        "unresolved",
        "smallest that worked so far",
        "lower bound: 3 trials (k + 1)",
    ]


def test_a_search_for_capabilities_alone_has_one_panel() -> None:
    assert len(plots.search_path(frames.trials_frame(CAMPAIGN[:3])).axes) == 1


def cells(trials: Sequence[Trial]) -> dict[str, str]:
    letters = {Cell.GRANTED: ".", Cell.WORKS: "w", Cell.BREAKS: "b", Cell.UNRESOLVED: "u"}
    letters |= {Cell.DROPPED: "-", Cell.DEFAULT: "d", Cell.DEGRADED: "s"}
    rows, matrix = matrix_cells(list(tried_trials(frames.trials_frame(trials))))
    return {
        name: "".join(letters[Cell(cell)] for cell in line) for name, line in zip(rows, matrix, strict=True)
    }


def test_the_matrix_blames_only_what_was_withheld_from_the_best() -> None:
    assert cells(CAMPAIGN) == {
        CHOWN: ".b....b.",
        KILL: "..w-----",
        "read": "ddd.b..u",
        "bind": "ddd..w--",
    }


def test_what_works_badly_without_it_is_kept() -> None:
    badly = replace(trial(9, W, CHOWN, ""), degraded=True)
    found = cells((*CAMPAIGN, badly))
    assert found["read"] == "ddd.b..us"
    assert list(found) == [CHOWN, KILL, "read", "bind"]
    assert outcomes(frames.trials_frame([badly])).tolist() == ["degraded"]


def test_the_matrix_has_what_is_kept_above_what_was_dropped() -> None:
    assert list(cells(CAMPAIGN)) == [CHOWN, KILL, "read", "bind"]


@pytest.mark.parametrize("plot", [plots.search_path, plots.trial_matrix])
@settings(max_examples=10, deadline=None)  # an image an example
@given(trials=strategies.campaigns.map(with_usual_phases))
def test_anything_draws(plot: Callable[..., Figure], trials: Sequence[Trial]) -> None:
    assert image(plot(frames.trials_frame(trials), title="a $b$ \\frac{")).startswith(b"\x89PNG")


@pytest.mark.parametrize("plot", [plots.search_path, plots.trial_matrix])
def test_a_missing_column_is_named(plot: Callable[..., Figure]) -> None:
    with pytest.raises(UsageError, match="the column verdict"):
        plot(FRAME.drop(columns=["verdict"]))


def test_no_figure_is_kept_by_pyplot() -> None:
    code = "import sys, capmin.plots; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
