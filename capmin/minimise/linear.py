"""Linear deletion, the baseline of baselines."""

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.odds import Odds
from capmin.minimise.outcome import E


def linear(inquiry: Inquiry[E]) -> frozenset[E]:
    """Take each element away once, and leave it out where the test passes.

    Invariant: `kept` passes. One question an element, whatever the answer. 1-minimal for a monotone test.
    (J. W. Chinneck and E. W. Dravnieks, "Locating minimal infeasible constraint sets in linear programs",
    ORSA Journal on Computing 3 (1991), call it the deletion filter.)
    """
    kept = inquiry.everything
    for element in Odds(inquiry).least_needed_first(list(inquiry.candidates)):
        if inquiry.passes(kept - {element}):
            kept -= {element}
    return kept
