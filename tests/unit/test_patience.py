"""A limit holds: extended only where a busy machine took time, and never beyond what the user has set.

What capmin does for itself between two phases of a launch takes nothing of it.
"""

import time
from collections.abc import Callable

import pytest

from capmin.patience import EXTENSION, Patience
from capmin.play.clock import Clock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock to turn by hand."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def losing(now: list[float], share: float | None) -> Callable[[], float | None]:
    """To wait for a processor that share of the time; None: nobody can tell."""
    return lambda: None if share is None else now[0] * share


def test_where_no_time_was_lost_the_limit_holds(now: list[float]) -> None:
    waiting = Patience(2.0, lost_s=losing(now, 0.0))
    now[0] += 1.5
    assert waiting.left_s() == pytest.approx(0.5)
    now[0] += 0.5
    assert waiting.left_s() == 0.0


def test_what_was_lost_does_not_count(now: list[float]) -> None:
    waiting = Patience(2.0, lost_s=losing(now, 0.5))
    now[0] += 2.0
    assert waiting.left_s() == pytest.approx(1.0)
    now[0] += 1.0
    assert waiting.left_s() == pytest.approx(0.5)
    now[0] += 1.0
    assert waiting.left_s() == 0.0


@pytest.mark.parametrize("share", [1.0, None])
def test_where_all_was_lost_or_nobody_can_tell_it_is_so_much_longer(
    now: list[float], share: float | None
) -> None:
    waiting = Patience(2.0, lost_s=losing(now, share))
    now[0] += 2.0 * EXTENSION - 0.5
    assert waiting.left_s() == pytest.approx(0.5)
    now[0] += 2.0 * EXTENSION
    assert waiting.left_s() == 0.0


def test_never_more_than_the_user_allows(now: list[float]) -> None:
    waiting = Patience(2.0, longest_s=3.0, lost_s=losing(now, 1.0))
    now[0] += 2.5
    assert waiting.left_s() == pytest.approx(0.5)
    now[0] += 0.5
    assert waiting.left_s() == 0.0


def test_what_is_excused_did_not_happen(now: list[float]) -> None:
    waiting = Patience(2.0, lost_s=losing(now, 0.0))
    now[0] += 9.5
    waiting.excuse(9.0)
    assert waiting.left_s() == pytest.approx(1.5)


def test_what_is_done_apart_takes_nothing_of_the_phase(now: list[float]) -> None:
    clock = Clock(2.0, {"restart": 1.0}, longest_s=2.0)
    with clock.during("restart"):
        now[0] += 0.25
        with clock.apart():
            now[0] += 60.0
        assert clock.left_s() == pytest.approx(0.75)
    ((phase, took_s),) = clock.phases_s
    assert (phase, took_s) == ("restart", 60.25)
