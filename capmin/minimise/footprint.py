"""Footprints: when one run tells the outcome of another configuration.

A deterministic program that is granted `G` and attempts `A` sees of its configuration only `G & A`. Any other
configuration that agrees with `G` on all of `A` makes the same run, with the same outcome. This needs no
monotonicity. It is the argument of the footprint cache, and the only one by which capmin lets a run stand
for another: "a superset failed, so this fails" is wrong as soon as the program has a trap (granting X
without Y breaks), and traps are common (3 of 20 real programs).

Where only denials are known, the granted part of the footprint is not. It is contained in `G`, however:
what is absent and was not denied was not attempted. So a configuration that includes `G`, and adds nothing
that was denied, makes the same run. That is how a failing run from *below* proves an element: granted part
of the answer, it failed having missed nothing of the rest but that element.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from capmin.minimise.outcome import E, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Record(Generic[E]):
    """One run, and the scope of its testimony.

    Attributes:
        granted: the configuration it ran under.
        scope: the elements on which another configuration must agree with `granted` to make the same run.
        outcome: what it showed.
    """

    granted: frozenset[E]
    scope: frozenset[E]
    outcome: Outcome[E]

    def speaks_for(self, configuration: frozenset[E]) -> bool:
        """Whether a run under `configuration` would have been this very run."""
        return configuration & self.scope == self.granted & self.scope


class Footprints(Generic[E]):
    """All runs so far, looked up by what they attempted.

    Args:
        universe: all elements.
        blind: elements whose denial the oracle does not report (the kernel cannot notify a denied `write`).
            A run speaks only for configurations with the same ones.
        deterministic: False restricts every run to its exact configuration.
    """

    def __init__(self, universe: Sequence[E], *, blind: frozenset[E], deterministic: bool) -> None:
        self._bit = {element: 1 << index for index, element in enumerate(universe)}
        self._universe = frozenset(universe)
        self._blind = blind
        self._deterministic = deterministic
        # Keyed by scope and then by the granted part of the scope, both as bit masks: a look-up costs one
        # operation a distinct scope instead of a set comparison a run.
        self._by_scope: dict[int, dict[int, list[Record[E]]]] = {}
        self.records: list[Record[E]] = []

    def add(self, granted: frozenset[E], outcome: Outcome[E]) -> Record[E]:
        record = Record(granted=granted, scope=self._scope(granted, outcome), outcome=outcome)
        self.records.append(record)
        scope, mask = self._mask(record.scope), self._mask(granted)
        self._by_scope.setdefault(scope, {}).setdefault(mask & scope, []).append(record)
        return record

    def speaking_for(self, configuration: frozenset[E]) -> Iterator[Record[E]]:
        """All runs that would have gone the same way under `configuration`."""
        mask = self._mask(configuration)
        for scope, records in self._by_scope.items():
            yield from records.get(mask & scope, ())

    def _scope(self, granted: frozenset[E], outcome: Outcome[E]) -> frozenset[E]:
        if not self._deterministic:
            return self._universe
        denied = None if outcome.denied is None else self._universe.intersection(outcome.denied)
        if not outcome.passes and denied is not None and not denied:
            # It failed for another reason, which nobody knows.
            return self._universe
        if outcome.attempted is not None:
            return (outcome.attempted & self._universe) | self._blind
        return self._universe if denied is None else granted | denied | self._blind

    def _mask(self, elements: frozenset[E]) -> int:
        return sum(map(self._bit.__getitem__, elements))
