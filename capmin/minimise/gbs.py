"""Generalised binary splitting: adaptive group testing.

F. K. Hwang, "A method for detecting all defective members in a population by group testing", Journal of the
American Statistical Association 67 (1972); with unequal probabilities the groups are sized as in P. Ungar,
"The cutoff point for group testing", Communications on Pure and Applied Mathematics 13 (1960).
"""

from collections.abc import Callable, Sequence

from capmin.minimise.inquiry import Inquiry
from capmin.minimise.odds import Odds
from capmin.minimise.outcome import E


def gbs(inquiry: Inquiry[E]) -> frozenset[E]:
    """For a monotone test the 1-minimal set that greedy deletion in order of probability finds.

    Invariant: `kept | undecided` passes, and each element of `kept` failed to be taken away from a set that
    contained the present one. Each question takes away the group whose chance of holding nothing needed is
    nearest to one half, so each answer is worth close to one bit: 3 to 8 % above the information bound at
    370 elements. Above a probability of about 0.38 groups are single elements (Ungar's cut-off), and the
    search costs what linear deletion costs.
    """
    odds = Odds(inquiry)
    undecided = odds.least_needed_first(list(inquiry.candidates))
    kept: frozenset[E] = frozenset()
    while undecided:
        group = undecided[: group_size([odds.needed(element) for element in undecided])]
        dropped, needed = split(inquiry, kept | frozenset(undecided), group, odds.needed)
        undecided = undecided[len(dropped) + len(needed) :]
        kept |= frozenset(needed)
        odds.learn(found=len(needed), cleared=len(dropped))
    return kept


def group_size(needed: Sequence[float], target: float = 0.5) -> int:
    """The length of the prefix whose chance of being all unneeded is nearest to `target`; at least one."""
    clear, best, size = 1.0, 1.0, 1
    for length, probability in enumerate(needed, start=1):
        clear *= 1 - probability
        if abs(clear - target) > best:
            break
        best, size = abs(clear - target), length
    return size


def split(
    inquiry: Inquiry[E],
    base: frozenset[E],
    group: Sequence[E],
    needed: Callable[[E], float],
    *,
    fails: bool = False,
) -> tuple[Sequence[E], Sequence[E]]:
    """Search `group` for its first needed element: (what `base` does without, that one or nothing).

    Invariant: `base` without `group[:clear]` passes, and without `group[:guilty]` fails (unless the whole
    group is clear). Halves are halves of the probability of finding it, not of the length. `fails` says
    that `base` without the whole group is known to fail.
    """
    if not fails and inquiry.passes(base - frozenset(group)):
        return group, ()
    clear, guilty = 0, len(group)
    while guilty - clear > 1:
        middle = clear + half([needed(element) for element in group[clear:guilty]])
        if inquiry.passes(base - frozenset(group[:middle])):
            clear = middle
        else:
            guilty = middle
    return group[:clear], group[clear:guilty]


def half(needed: Sequence[float]) -> int:
    """How many elements from the start hold half the chance of being the first that is needed."""
    first, clear = [], 1.0
    for probability in needed:
        first.append(clear * probability)
        clear *= 1 - probability
    held, best, size = 0.0, sum(first), 1
    for length, chance in enumerate(first[:-1], start=1):
        held += chance
        if abs(2 * held - sum(first)) < best:
            best, size = abs(2 * held - sum(first)), length
    return size
