"""What ``capmin fuzz`` says: as text, and as JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capmin.fuzzing import Counterexample, Hunt, Kind, Replay, Tries
from capmin.grant import Grant


@dataclass(frozen=True, kw_only=True, slots=True)
class Fuzzed:
    """What was fuzzed, where its files are, and the seed of the draws."""

    result: Path
    directory: Path
    tries: Tries
    seed: int

    @property
    def about(self) -> Mapping[str, Any]:
        """The image and the engine."""
        image, engine = self.tries.image, self.tries.engine
        return {
            "image": {"reference": image.reference, "digest": image.digest},
            "engine": f"{engine.name} {engine.version}",
        }


def hunt_text(fuzzed: Fuzzed, found: Hunt) -> str:
    """A few lines, and a paragraph for each counterexample."""
    tries = fuzzed.tries
    if found.holds is False:
        return "\n".join(
            [
                *_heading(fuzzed),
                f"  the answer    fails by itself: {found.reason}",
                *([f"  it said       {found.evidence}"] if found.evidence else []),
                "  to do         capmin verify tells what it lacks here",
            ]
        )
    beyond, needed = len(tries.question.beyond), len(tries.question.needed)
    count = len(found.counterexamples)
    lines = [
        *_heading(fuzzed),
        f"  wider grants  {tries.wider} tried, of up to {_count(beyond, 'privilege')} more",
        f"  parts of it   {tries.parts} tried, of {_count(needed, 'privilege')} needed",
        *_doubt(tries),
        f"  found         {_count(count, 'counterexample') if count else 'nothing'}",
    ]
    for each in found.counterexamples:
        lines += ["", *_counterexample(fuzzed, each)]
    return "\n".join(lines)


def replay_text(fuzzed: Fuzzed, replayed: Replay) -> str:
    """Whether one still stands."""
    found, seen = replayed.found, replayed.seen
    did = "failed" if found.kind is Kind.TRAP else "passed"
    return "\n".join(
        [
            *_heading(fuzzed),
            f"  {_headline(found)}",
            f"  {'still so' if replayed.stands else 'no more'}: {seen.passed} of {seen.runs} launches {did}",
            *([f"  it said: {replayed.evidence}"] if replayed.evidence else []),
            *_mended(replayed),
        ]
    )


def hunt_json(fuzzed: Fuzzed, found: Hunt) -> str:
    """The document ``capmin/fuzz/1``."""
    tries = fuzzed.tries
    document = {
        "schema": "capmin/fuzz/1",
        **fuzzed.about,
        "answer": _grant(tries.question.answer),
        "holds": found.holds,
        "reason": found.reason,
        "evidence": found.evidence,
        "wider": tries.wider,
        "parts": tries.parts,
        "doubtful": tries.doubtful,
        "launches": tries.launches,
        "exhausted": found.exhausted,
        "flake_rate": round(tries.flake_rate, 4),
        "seed": fuzzed.seed,
        "counterexamples": [
            each.to_json() | {"file": str(fuzzed.directory / each.file_name)}
            for each in found.counterexamples
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def replay_json(fuzzed: Fuzzed, replayed: Replay) -> str:
    """The document ``capmin/replay/1``."""
    document = {
        "schema": "capmin/replay/1",
        **fuzzed.about,
        "stands": replayed.stands,
        "seen": {"times": replayed.seen.passed, "launches": replayed.seen.runs},
        "mended": replayed.mended,
        "reason": replayed.reason,
        "evidence": replayed.evidence,
        "counterexample": replayed.found.to_json(),
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _heading(fuzzed: Fuzzed) -> list[str]:
    tries = fuzzed.tries
    where = f"on {tries.engine.name} {tries.engine.version}"
    spent = f"{_count(tries.launches, 'launch', 'launches')} with seed {fuzzed.seed}"
    return [f"{tries.image.reference} ({tries.image.digest[:19]}), {where}, {spent}"]


def _doubt(tries: Tries) -> list[str]:
    if not tries.doubtful:
        return []
    rate = f": the tests fail by themselves in {tries.flake_rate:.0%}" if tries.flake_rate else ""
    return [f"  doubtful      {_count(tries.doubtful, 'grant')} failed once, and not again{rate}"]


def _counterexample(fuzzed: Fuzzed, found: Counterexample) -> list[str]:
    did = "fail" if found.kind is Kind.TRAP else "pass"
    lines = [_headline(found), f"  {found.seen.passed} of {found.seen.runs} launches {did}: {found.reason}"]
    if found.evidence:
        lines.append(f"  it said: {found.evidence}")
    if not found.smallest:
        lines.append("  there may be a smaller one: the budget ran out")
    if found.kind is Kind.PART:
        lines.append(f"  search again: --from {fuzzed.result} starts from this answer")
    elif found.lacking is None:
        lines.append("  what it lacks was not found out: that takes too many launches")
    file = fuzzed.directory / found.file_name
    return [*lines, f"  again: capmin fuzz {fuzzed.result} --replay {file}"]


def _headline(found: Counterexample) -> str:
    if found.kind is Kind.PART:
        return f"part: it passes without {_names(found.withheld)}"
    without = f" without {_names(found.lacking)}" if found.lacking else ""
    harm = ", and nothing that may be granted helps" if found.lacking == frozenset() else ""
    return f"trap: granting {_names(found.granted)}{without} breaks it{harm}"


def _mended(replayed: Replay) -> list[str]:
    lacking = replayed.found.lacking
    if replayed.mended is None or not lacking:
        return []
    return [f"  with {_names(lacking)} in addition it {'passes' if replayed.mended else 'fails, too'}"]


def _names(privileges: Iterable[str]) -> str:
    return " ".join(sorted(privileges, key=lambda name: (not name.startswith("CAP_"), name)))


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _grant(grant: Grant) -> dict[str, list[str] | None]:
    return {
        "capabilities": sorted(grant.capabilities),
        "syscalls": None if grant.syscalls is None else sorted(grant.syscalls),
    }
