"""The oracle as the algorithms see it: counted, remembered, and asked in rounds."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Generic

from capmin.minimise.footprint import Footprints, Record
from capmin.minimise.outcome import Ask, E, Outcome


class Inquiry(Generic[E]):
    """One search: its candidates in canonical order, its oracle, and all answers so far.

    Every question goes through here, so nothing that the records answer is asked twice, and every algorithm
    is counted in the same way. What the oracle raises passes through untouched.

    Args:
        candidates: the elements in canonical order; ties are always broken by it.
        ask: the oracle; thread-safe when there is an executor.
        prior: how probable it is that an element is needed; None when nothing is known.
        executor: where questions of one round run side by side.
        workers: how many of them at once.
        flake_rate: the rate of false failures.
        known: answers from before this search.
        blind: elements whose denial the oracle does not report.
        deterministic: False when a run speaks for nothing but its own configuration.
        presume: whether presumed proofs will do, see `minimise`: what is worth asking depends on it.
    """

    def __init__(
        self,
        candidates: Iterable[E],
        ask: Ask[E],
        *,
        prior: Callable[[E], float] | None = None,
        executor: Executor | None = None,
        workers: int = 1,
        flake_rate: float = 0.0,
        known: Sequence[tuple[frozenset[E], Outcome[E]]] = (),
        blind: Iterable[E] = (),
        deterministic: bool = True,
        presume: bool = False,
    ) -> None:
        self.candidates: tuple[E, ...] = tuple(dict.fromkeys(candidates))
        self.everything: frozenset[E] = frozenset(self.candidates)
        self.prior = prior
        self.workers = workers if executor is not None else 1
        self.flake_rate = flake_rate
        self.blind = self.everything & frozenset(blind)
        self.presume = presume
        self.queries = 0
        self.rounds = 0
        self.denials_known = False
        self._ask = ask
        self._executor = executor
        self._place = {element: place for place, element in enumerate(self.candidates)}
        self._footprints = Footprints(self.candidates, blind=self.blind, deterministic=deterministic)
        for configuration, outcome in known:
            if configuration <= self.everything:
                self._remember(configuration, outcome)

    def in_order(self, elements: Iterable[E]) -> list[E]:
        """Sorted canonically, so that no result depends on the order of hashing."""
        return sorted(elements, key=self._place.__getitem__)

    def records(self, configuration: frozenset[E]) -> list[Record[E]]:
        """All runs on record that speak for `configuration`."""
        return list(self._footprints.speaking_for(configuration))

    def outcome(self, configuration: frozenset[E]) -> Outcome[E]:
        """The answer for `configuration`: the one on record, else a new one."""
        return self.outcomes([configuration])[0]

    def passes(self, configuration: frozenset[E]) -> bool:
        return self.outcome(configuration).passes

    def outcomes(self, configurations: Sequence[frozenset[E]]) -> list[Outcome[E]]:
        """The answers for several configurations, asked side by side where the records do not tell."""
        answers = {configuration: self.recall(configuration) for configuration in configurations}
        missing = [configuration for configuration, answer in answers.items() if answer is None]
        answers.update(zip(missing, self.ask_afresh(missing), strict=True))
        return [answer for each in configurations if (answer := answers[each]) is not None]

    def history(self) -> list[Record[E]]:
        """Every run so far, in order."""
        return self._footprints.records

    def recall(self, configuration: frozenset[E]) -> Outcome[E] | None:
        """What the records say. A pass outweighs failures: they may be false, and passes are trusted."""
        records = self.records(configuration)
        return max((record.outcome for record in records), key=lambda outcome: outcome.passes, default=None)

    def ask_afresh(self, configurations: Sequence[frozenset[E]]) -> list[Outcome[E]]:
        """New answers whatever the records say, as many at once as there are workers."""
        answers: list[Outcome[E]] = []
        for start in range(0, len(configurations), self.workers):
            batch = configurations[start : start + self.workers]
            self.rounds += 1
            self.queries += len(batch)
            answers += self._round(batch)
        return answers

    def _round(self, batch: Sequence[frozenset[E]]) -> list[Outcome[E]]:
        """One round; answers are recorded in the order of the questions, not in that of their arrival."""
        answers = []
        if self._executor is None or len(batch) == 1:
            for configuration in batch:
                answers.append(self._ask(configuration))
                self._remember(configuration, answers[-1])
            return answers
        futures = [self._executor.submit(self._ask, configuration) for configuration in batch]
        try:
            for configuration, future in zip(batch, futures, strict=True):
                answers.append(future.result())
                self._remember(configuration, answers[-1])
        finally:
            for future in futures:
                future.cancel()
        return answers

    def _remember(self, configuration: frozenset[E], outcome: Outcome[E]) -> None:
        self.denials_known = self.denials_known or outcome.denied is not None
        self._footprints.add(configuration, outcome)
