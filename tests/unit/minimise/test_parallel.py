"""What passes without each of two groups, and not without both: rounds counted by hand."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import Ask, Outcome
from capmin.minimise.parallel import parallel

EVERYTHING = frozenset("abcdefgh")


def one_of_two(configuration: frozenset[str]) -> Outcome[str]:
    """Tries a, then c or f instead; then leaves, and tries h."""
    denied = [each for each in "acfh" if each not in configuration]
    passes = not configuration.isdisjoint("cf")
    return Outcome(passes=passes, denied=tuple(denied if not passes else denied[:1]))


def six_of_eight(configuration: frozenset[str]) -> Outcome[str]:
    denied = tuple(sorted(EVERYTHING - configuration))
    return Outcome(passes=len(configuration) >= 6, denied=denied)


def six_of_eight_untold(configuration: frozenset[str]) -> Outcome[str]:
    return Outcome(passes=len(configuration) >= 6)


def test_what_stands_in_for_each_other_costs_two_rounds_more() -> None:
    with ThreadPoolExecutor(8) as executor:
        inquiry = Inquiry(sorted(EVERYTHING), one_of_two, executor=executor, workers=8)
        kept = parallel(inquiry)
    assert kept in ({"c"}, {"f"})
    # Everything without each; without all of them, which fails; without all but one of what that was denied.
    assert inquiry.rounds == 3


@pytest.mark.parametrize("ask", [six_of_eight, six_of_eight_untold])
def test_of_groups_that_do_not_go_together_as_many_go_as_can(ask: Ask[str]) -> None:
    with ThreadPoolExecutor(8) as executor:
        inquiry = Inquiry(sorted(EVERYTHING), ask, executor=executor, workers=8)
        kept = parallel(inquiry)
    assert len(kept) == 6
    assert ask(kept).passes
