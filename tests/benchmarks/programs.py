"""Programs made from corpus entries: what an application used and needed, turned into a script that behaves
so.

The model (issue 3): essential denials abort; a share `late` of them shows only at the end; `noise` optional
elements are tried on the error path after an abort; elements recur; optional ones are fallen back from, a
tenth of them only in alternatives and a tenth only in traps.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capmin.engines.simulated_program import Needs, NeedsLater, NeedsOneOf, Program, Step, Trap, Tries

_ALTERNATIVES = 0.1
_TRAPS = 0.1
_RECURRENCES = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One line of a corpus: which syscalls an application used, and which it could not do without."""

    name: str
    app: str
    used: tuple[str, ...]
    needed: frozenset[str]


def read_corpus(path: Path) -> tuple[Workload, ...]:
    entries = json.loads(path.read_text())["workloads"]
    return tuple(
        Workload(
            name=entry["workload"],
            app=entry["app"],
            used=tuple(entry["used"]),
            needed=frozenset(entry["needed"]) & frozenset(entry["used"]),
        )
        for entry in entries
    )


def program_of(workload: Workload, *, late: float, noise: int, flake: float, seed: int) -> Program:
    """The same workload and seed give the same program."""
    chance = random.Random(f"{workload.name} {seed}")
    optional = [element for element in workload.used if element not in workload.needed]
    first = _first_uses(workload, optional, late, chance)
    chance.shuffle(first)
    steps = _with_recurrences(first, chance)
    paths = tuple(tuple(chance.sample(optional, min(noise, len(optional)))) for _ in steps)
    return Program(steps=tuple(steps), error_paths=paths, flake_rate=flake)


def _first_uses(
    workload: Workload, optional: Sequence[str], late: float, chance: random.Random
) -> list[Step]:
    steps: list[Step] = [
        NeedsLater(element) if chance.random() < late else Needs(element)
        for element in workload.used
        if element in workload.needed
    ]
    rest = chance.sample(optional, len(optional))
    for _ in range(round(_ALTERNATIVES * len(optional) / 2)):
        one, other = rest.pop(), rest.pop()
        # It was seen to be used: so it is, elsewhere and for nothing, also where the one before it works.
        steps += [NeedsOneOf((one, other)), Tries(other)]
    steps += [Trap(rest.pop(), rest.pop()) for _ in range(round(_TRAPS * len(optional) / 2))]
    return steps + [Tries(element) for element in rest]


def _with_recurrences(first: Sequence[Step], chance: random.Random) -> list[Step]:
    """Each step comes again later, twice on average: programs loop."""
    placed = [(place, step) for place, step in enumerate(first)]
    again = [
        (chance.uniform(place, len(first)), step)
        for place, step in placed
        for _ in range(int(chance.expovariate(1 / (_RECURRENCES + 0.5))))
    ]
    return [step for _, step in sorted([*placed, *again], key=lambda pair: pair[0])]
