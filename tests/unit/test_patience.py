"""A limit is a limit: extended only on a busy machine, and never beyond what the user has set."""

import time

import pytest

from capmin import patience
from capmin.patience import EXTENSION, Patience


def _with_clock(monkeypatch: pytest.MonkeyPatch, *, stalled_share: float | None) -> list[float]:
    """A clock to turn by hand, on a host that is busy that share of the time; None: it cannot tell."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stalled = (lambda: None) if stalled_share is None else (lambda: now[0] * stalled_share)
    monkeypatch.setattr(patience, "_stalled_s", stalled)
    return now


def test_on_an_idle_machine_the_limit_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = _with_clock(monkeypatch, stalled_share=0.0)
    waiting = Patience(2.0)
    now[0] += 1.5
    assert waiting.left_s() == pytest.approx(0.5)
    now[0] += 0.5
    assert waiting.left_s() == 0.0


@pytest.mark.parametrize("share", [0.9, None])
def test_a_machine_that_is_busy_or_cannot_tell_gets_more(
    monkeypatch: pytest.MonkeyPatch, share: float | None
) -> None:
    now = _with_clock(monkeypatch, stalled_share=share)
    waiting = Patience(2.0)
    now[0] += 2.0
    assert waiting.left_s() == pytest.approx(2.0 * EXTENSION - 2.0)
    now[0] += 2.0 * EXTENSION
    assert waiting.left_s() == 0.0


def test_never_more_than_the_user_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = _with_clock(monkeypatch, stalled_share=1.0)
    waiting = Patience(2.0, longest_s=3.0)
    now[0] += 2.5
    assert waiting.left_s() == pytest.approx(0.5)
    now[0] += 0.5
    assert waiting.left_s() == 0.0
