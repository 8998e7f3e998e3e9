"""Programs over at most eight elements, drawn by Hypothesis, and their answers by brute force."""

from collections.abc import Callable
from itertools import combinations

from hypothesis import settings
from hypothesis import strategies as st

from capmin.engines.simulated_program import Needs, NeedsLater, NeedsOneOf, Program, Step, Trap, Tries
from capmin.minimise import Outcome

# The first search pays for loading the solver, and the machine has other work.
unhurried = settings(deadline=None)

ELEMENTS = tuple("abcdefgh")
EVERYTHING = frozenset(ELEMENTS)

_element = st.sampled_from(ELEMENTS)
_pair = st.lists(_element, min_size=2, max_size=2, unique=True)

monotone_steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Needs, _element), st.builds(NeedsLater, _element), st.builds(Tries, _element)
)
alternative_steps: st.SearchStrategy[Step] = st.builds(NeedsOneOf, _pair.map(tuple))
trap_steps: st.SearchStrategy[Step] = _pair.map(lambda pair: Trap(*pair))

Oracle = Callable[[frozenset[str]], Outcome[str]]


@st.composite
def programs(draw: st.DrawFn, steps: st.SearchStrategy[Step], flake_rate: float = 0.0) -> Program:
    """Programs that pass with everything, with error paths of up to two elements."""
    script = tuple(draw(st.lists(steps, max_size=12)))
    path = st.lists(_element, max_size=2, unique=True).map(tuple)
    paths = tuple(draw(st.lists(path, min_size=len(script), max_size=len(script))))
    return Program(steps=script, error_paths=paths, flake_rate=flake_rate)


def oracle(
    program: Program, *, denials: bool = True, attempts: bool = False, ends: int = 0, seed: int = 0
) -> Oracle:
    """Ask the program; the number of the question makes false failures differ.

    What failed first is told to have been denied each ``ends``-th denial only, right or wrong, and all of
    them to have been tolerated; 0: that is not known.
    """
    asked = 0

    def ask(configuration: frozenset[str]) -> Outcome[str]:
        nonlocal asked
        asked += 1
        run = program.run(configuration, seed=seed * 1_000_003 + asked)
        absent = dict.fromkeys(each for each in reversed(run.attempts) if each not in configuration)
        denied = tuple(reversed(absent))
        return Outcome(
            passes=run.passes,
            denied=denied if denials else None,
            fatal=denied[::ends] if ends and not run.passes else (),
            tolerated=frozenset(denied),
            ended_normally=run.ended_normally,
            attempted=frozenset(run.attempts) if attempts else None,
            trial=asked,
        )

    return ask


def works(program: Program, configuration: frozenset[str]) -> bool:
    """Whether it passes, false failures apart."""
    steady = Program(steps=program.steps, error_paths=program.error_paths)
    return steady.run(configuration).passes


def one_minimal(program: Program, kept: frozenset[str]) -> bool:
    return works(program, kept) and not any(works(program, kept - {element}) for element in kept)


def one_minimal_sets(program: Program) -> list[frozenset[str]]:
    """Every set that passes and from which no single element can go: with traps one may hold another."""
    sizes = range(len(ELEMENTS) + 1)
    every = (frozenset(chosen) for size in sizes for chosen in combinations(ELEMENTS, size))
    return [chosen for chosen in every if one_minimal(program, chosen)]


def minimal_sets(program: Program) -> set[frozenset[str]]:
    """Every set that passes and of which no proper subset does."""
    answers: set[frozenset[str]] = set()
    for size in range(len(ELEMENTS) + 1):
        for chosen in map(frozenset, combinations(ELEMENTS, size)):
            if not any(answer <= chosen for answer in answers) and works(program, chosen):
                answers.add(chosen)
    return answers
