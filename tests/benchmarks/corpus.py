"""What a search costs, and whether it is right, on every workload of a corpus.

    python -m tests.benchmarks.corpus FILE [--workers W] [--late F] [--noise N] [--flake F]
                                      [--priors default|none] [--proofs exact|presumed|both] [--seeds N]
                                      [--json]

For each workload a program is made that used and needed what the application did (see `programs`), and
searched for its minimum. The first lines are whole campaigns on the simulated engine; their trials are those
of the search and of the certificate, that the observed set alone works included, and *all* counts baseline
and observation, too. Of false failures a campaign knows only what its own baseline shows. That has 59 runs
here, as with ``capmin search --baseline 59``: as many as tell, with a confidence of 95 %, that fewer than one
in 20 fails.

Below stand the algorithms of the literature as published, on the same candidates and programs: no
certificate, no denials, nothing remembered but exact questions. A *trial* is a call of the oracle there; that
everything together passes is known beforehand.

The lower bound is k + 1 trials for an answer of k elements, so trials / (k + 1) is reported: mean and 90th
percentile. *Right* is the share of answers that work and are 1-minimal, checked by taking each single element
away from a program without false failures; it is 1-minimal alone in the next column. Without ``--proofs`` the
JSON document's own figures are those with presumed proofs, which are not what ``capmin search`` asks for by
default; ``table`` has both.

With `--priors default` the priors come from the file that ships with capmin. Where the corpus searched is
the one they were learnt from, the application at hand is left out of the counts, all its workloads
together. `loupe` makes a corpus of applications that nothing was learnt from.
"""

import argparse
import errno
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from operator import and_
from pathlib import Path
from statistics import mean

from capmin.baseline import STEADY_RUNS
from capmin.campaign import Campaign, Plan, Proofs
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import (
    NeedsOneOf,
    Program,
    Step,
    Trap,
)
from capmin.minimise import ALGORITHMS, Outcome
from capmin.minimise.inquiry import Inquiry
from capmin.recall import Document
from capmin.scenario import Scenario
from tests.benchmarks.picire_baseline import picire
from tests.benchmarks.priors import held_out
from tests.benchmarks.programs import Workload, program_of, read_corpus
from tests.unit.campaigning import Memory, Notes

Prior = Callable[[str], float] | None

PUBLISHED = ("gbs", "linear", "ddmin", "complement-ddmin", "quickxplain", "probdd")


MARK = "*"
IMAGE = "program"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    late: float
    noise: int
    flake: float
    workers: int
    priors: bool
    proofs: tuple[Proofs, ...]
    seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One search to be made: a program, what is asked of it, and what is believed beforehand."""

    candidates: tuple[str, ...]
    program: Program
    prior: Prior
    seed: int

    def oracle(self, *, denials: bool) -> Callable[[frozenset[str]], Outcome[str]]:
        """A fresh oracle. A question's luck depends on the question and on how often it was asked before."""
        asked: dict[frozenset[str], int] = {}

        def ask(configuration: frozenset[str]) -> Outcome[str]:
            asked[configuration] = asked.get(configuration, 0) + 1
            luck = f"{self.seed} {asked[configuration]} {sorted(configuration)}"
            run = self.program.run(configuration, seed=luck)
            latest = dict.fromkeys(each for each in reversed(run.attempts) if each not in configuration)
            return Outcome(
                passes=run.passes,
                denied=tuple(reversed(latest)) if denials else None,
                ended_normally=run.ended_normally,
            )

        return ask

    def works(self, configuration: frozenset[str]) -> bool:
        return (
            Program(steps=self.program.steps, error_paths=self.program.error_paths).run(configuration).passes
        )

    def one_minimal(self, kept: frozenset[str]) -> bool:
        return not any(self.works(kept - {element}) for element in kept)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one search found, and what it cost."""

    kept: frozenset[str]
    trials: int
    rounds: int
    all_trials: int = 0
    undecided: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the table: one way to search, over all cases."""

    name: str
    mean_ratio: float
    p90_ratio: float
    right: float
    one_minimal: float
    mean_trials: float
    mean_all_trials: float
    mean_rounds: float
    undecided: float


def cases(workloads: Sequence[Workload], options: Options) -> list[Case]:
    return [_case(workload, options, seed) for workload in workloads for seed in range(options.seeds)]


def _case(workload: Workload, options: Options, seed: int) -> Case:
    program = program_of(workload, late=options.late, noise=options.noise, flake=options.flake, seed=seed)
    candidates = _observed(program)
    return Case(
        candidates=candidates,
        program=program,
        prior=held_out(workload.app, candidates) if options.priors else None,
        seed=seed,
    )


def _observed(program: Program) -> tuple[str, ...]:
    """What it attempts when it has everything; what it never does then is no candidate."""
    steady = Program(steps=program.steps, error_paths=program.error_paths)
    return tuple(sorted(set(steady.run(program.privileges()).attempts)))


def campaign(case: Case, options: Options, proofs: Proofs, *, observes: bool = True) -> Answer:
    """A whole campaign, over the names of the corpus, of which none is of the runtime's own here."""
    engine = SimulatedEngine(
        {IMAGE: _marked(case.program)},
        observes_syscalls=observes,
        observes_capabilities=False,
        seed=case.seed,
    )
    with ThreadPoolExecutor(options.workers) as executor:
        search = Campaign(
            engine=engine,
            plan=Plan(
                image=IMAGE,
                scenarios=(Scenario(service=True, test=("probe",)),),
                capabilities=False,
                denied_errno=errno.ENOSYS,
                baseline=STEADY_RUNS,
                workers=options.workers,
                proofs=proofs,
            ),
            recorder=Memory(),
            executor=executor,
            watcher=Notes(),
            learn_prior=partial(_given_prior, prior=case.prior),
        )
        search.run()
        search.confirm(engine, None)
        while search.search_on():
            search.confirm(engine, None)
    findings = search.findings
    told = [trial for trial in findings.trials if trial.phase in ("syscalls", "certify")]
    minimum = findings.minimum
    return Answer(
        kept=frozenset(map(_unmarked, findings.kept)),
        trials=len(told),
        all_trials=len(findings.trials),
        rounds=findings.rounds,
        undecided=0 if minimum is None else len(minimum.undecided),
    )


def _given_prior(
    results: Iterable[Document], *, used: frozenset[str] | None, prior: Prior
) -> Callable[[str], float] | None:
    del results, used
    return None if prior is None else lambda name: prior(_unmarked(name))


def _marked(program: Program) -> Program:
    """The same program with names that are not of the floor: in the corpus all that is used is searched."""
    return Program(
        steps=tuple(_renamed(step) for step in program.steps),
        error_paths=tuple(tuple(name + MARK for name in path) for path in program.error_paths),
        flake_rate=program.flake_rate,
    )


def _renamed(step: Step) -> Step:
    match step:
        case NeedsOneOf(names):
            return NeedsOneOf(tuple(name + MARK for name in names))
        case Trap(bait, needs):
            return Trap(bait + MARK, needs + MARK)
        case _:
            return replace(step, privilege=step.privilege + MARK)


def _unmarked(name: str) -> str:
    return name.removesuffix(MARK)


def published(case: Case, algorithm: str) -> Answer:
    """An algorithm as its paper has it."""
    inquiry = Inquiry(
        case.candidates,
        case.oracle(denials=False),
        known=[(frozenset(case.candidates), Outcome(passes=True))],
    )
    kept = ALGORITHMS[algorithm](inquiry)
    return Answer(kept=kept, trials=inquiry.queries, rounds=inquiry.rounds)


def from_pypi(case: Case, *, subsets: bool) -> Answer:
    kept, tests = picire(case.candidates, case.oracle(denials=False), subsets=subsets)
    return Answer(kept=kept, trials=tests, rounds=tests)


def row(name: str, search: Callable[[Case], Answer], every: Sequence[Case]) -> Row:
    answers = [search(case) for case in every]
    ratios = sorted(answer.trials / (len(answer.kept) + 1) for answer in answers)
    works = [case.works(answer.kept) for case, answer in zip(every, answers, strict=True)]
    minimal = [case.one_minimal(answer.kept) for case, answer in zip(every, answers, strict=True)]
    return Row(
        name=name,
        mean_ratio=mean(ratios),
        p90_ratio=ratios[int(0.9 * (len(ratios) - 1))],
        right=mean(map(and_, works, minimal)),
        one_minimal=mean(minimal),
        mean_trials=mean(answer.trials for answer in answers),
        mean_all_trials=mean(answer.all_trials for answer in answers),
        mean_rounds=mean(answer.rounds for answer in answers),
        undecided=mean(answer.undecided for answer in answers),
    )


def table(every: Sequence[Case], options: Options) -> list[Row]:
    searches: dict[str, Callable[[Case], Answer]] = {
        **{
            f"capmin, {proofs}": partial(campaign, options=options, proofs=proofs)
            for proofs in options.proofs
        },
        "capmin, black box": partial(campaign, options=options, proofs=Proofs.EXACT, observes=False),
        **{name: partial(published, algorithm=name) for name in PUBLISHED},
        "picire": partial(from_pypi, subsets=True),
        "picire, complements": partial(from_pypi, subsets=False),
    }
    return [row(name, search, every) for name, search in searches.items()]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.corpus")
    parser.add_argument("file", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--late", type=float, default=0.2)
    parser.add_argument("--noise", type=int, default=3)
    parser.add_argument("--flake", type=float, default=0.0)
    parser.add_argument("--priors", choices=["default", "none"], default="default")
    parser.add_argument("--proofs", choices=["exact", "presumed", "both"], default="both")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def as_json(rows: Sequence[Row]) -> str:
    columns = [field.name for field in fields(Row) if field.name != "name"]
    table: Mapping[str, Mapping[str, float]] = {
        each.name: {column: round(getattr(each, column), 4) for column in columns} for each in rows
    }
    return json.dumps({"search": rows[0].name, **table[rows[0].name], "table": table}, indent=1)


def as_text(rows: Sequence[Row]) -> str:
    lines = [f"{'':22}{'ratio':>7}{'p90':>7}{'right':>8}{'1-min':>8}{'trials':>9}{'all':>9}{'rounds':>9}"]
    lines += [
        f"{each.name:22}{each.mean_ratio:7.2f}{each.p90_ratio:7.2f}{each.right:8.3f}{each.one_minimal:8.3f}"
        f"{each.mean_trials:9.1f}{each.mean_all_trials:9.1f}{each.mean_rounds:9.1f}"
        for each in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    chosen = parse(arguments)
    logging.getLogger("capmin").setLevel(logging.ERROR)
    options = Options(
        late=chosen.late,
        noise=chosen.noise,
        flake=chosen.flake,
        workers=chosen.workers,
        priors=chosen.priors == "default",
        proofs=(Proofs.PRESUMED, Proofs.EXACT) if chosen.proofs == "both" else (Proofs(chosen.proofs),),
        seeds=chosen.seeds,
    )
    every = cases(read_corpus(chosen.file), options)
    rows = table(every, options)
    print(as_json(rows) if chosen.json else as_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
