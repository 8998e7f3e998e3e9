"""What stands on the page, as values that the template only lays out."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capmin.explain import Explanation, Fate, Reason, explain
from capmin.exposure import Flaw, after, before, exposure_frame
from capmin.records import Records
from capmin.report.bars import Bar, Stretch, phase_bars
from capmin.report.matrix import MatrixDrawing, draw_matrix
from capmin.report.path import PathDrawing, draw_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What is granted before or after, and what it weighs."""

    label: str
    capabilities: int
    syscalls: int
    capability_score: int
    syscall_score: int
    doors: tuple[Flaw, ...]

    @property
    def score(self) -> int:
        return self.capability_score + self.syscall_score


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Everything on it, in the order of the page."""

    result: Mapping[str, Any]
    run_line: str
    files: Mapping[str, str]
    sides: tuple[Side, Side]
    heaviest: tuple[Mapping[str, Any], ...]
    explanation: Explanation
    matrix: MatrixDrawing | None
    path: PathDrawing | None
    phases: tuple[Bar, ...]
    reproduction: str

    @property
    def title(self) -> str:
        return f"{self.result['image']['reference']}: what it needs"

    @property
    def capabilities(self) -> list[str] | None:
        answer = self.result["capabilities"]
        return None if answer is None else answer["required"]

    @property
    def syscalls(self) -> Mapping[str, Any] | None:
        answer: Mapping[str, Any] | None = self.result["syscalls"]
        return answer

    @property
    def alternatives_complete(self) -> bool:
        """Whether all minimal sets of capabilities are known."""
        return bool((self.result["capabilities"] or {}).get("alternatives_complete", False))

    @property
    def kept(self) -> tuple[Reason, ...]:
        return self.explanation.of(Fate.NEEDED, Fate.STORMY, Fate.UNPROVEN)

    @property
    def spared(self) -> tuple[Reason, ...]:
        """What was seen to be asked for, and is not granted."""
        return self.explanation.of(Fate.HARMLESS, Fate.DISPENSABLE, Fate.ELSEWHERE)

    @property
    def unused(self) -> tuple[Reason, ...]:
        return self.explanation.of(Fate.UNUSED, Fate.UNKNOWN)

    @property
    def share(self) -> int:
        """The exposure after, in percent of that before."""
        usual, now = self.sides
        return round(100 * now.score / max(usual.score, 1))

    @property
    def widest(self) -> int:
        return max(side.score for side in self.sides)

    @property
    def closed(self) -> tuple[Flaw, ...]:
        """The doors of before that are no longer there."""
        usual, now = self.sides
        return tuple(flaw for flaw in usual.doors if flaw not in now.doors)


def page_of(records: Records) -> Page:
    """The page of one campaign.

    Raises:
        UsageError: the records are of several campaigns, or have no result.
    """
    explanation = explain(records)
    result = next(iter(records.results.values()))
    trials = records.trials
    return Page(
        result=result,
        run_line=_run_line(result),
        files=result["files"],
        sides=_sides(result),
        heaviest=_heaviest(records),
        explanation=explanation,
        matrix=draw_matrix(trials) if len(trials) else None,
        path=draw_path(trials, lower_bound=result["trials"]["lower_bound"]) if len(trials) else None,
        phases=phase_bars(trials),
        reproduction=_reproduction(records, result),
    )


def _sides(result: Mapping[str, Any]) -> tuple[Side, Side]:
    now = after(result)
    labelled = (("Docker's default", before(now.architecture)), ("this profile", now))
    usual, answer = (
        Side(
            label=label,
            capabilities=len(exposed.capabilities),
            syscalls=len(exposed.syscalls),
            capability_score=exposed.capability_score,
            syscall_score=exposed.syscall_score,
            doors=exposed.doors,
        )
        for label, exposed in labelled
    )
    return usual, answer


def _heaviest(records: Records) -> tuple[Mapping[str, Any], ...]:
    """Every capability, and the system calls that weigh more than their kernel code, heaviest first."""
    frame = exposure_frame(records.results)
    shown = frame[(frame["kind"] == "capability") | (frame["weight"] > 1)]
    ordered = shown.sort_values(["weight", "privilege"], ascending=[False, True])
    columns = ["privilege", "weight", "before", "after", "why"]
    return tuple(dict(zip(columns, row, strict=True)) for row in ordered[columns].to_numpy().tolist())


def _run_line(result: Mapping[str, Any]) -> str:
    """The docker run line, to be read; ``run.sh`` is the one to be used."""
    words = ["docker run --rm"]
    if result["capabilities"] is not None:
        words.append("--cap-drop ALL")
        words += [f"--cap-add {name.removeprefix('CAP_')}" for name in result["capabilities"]["required"]]
    if result["syscalls"] is not None:
        words.append(f"--security-opt seccomp={shlex.quote(result['files'].get('seccomp', 'seccomp.json'))}")
    words.append(shlex.quote(result["image"]["reference"]))
    return " \\\n  ".join(words)


def _reproduction(records: Records, result: Mapping[str, Any]) -> str:
    """The command that searches again, as far as the records tell what was tested."""
    words = ["capmin", "search", result["image"]["reference"]]
    scenarios = records.scenarios
    test = scenarios[0].get("test") if len(scenarios) == 1 else None
    if isinstance(test, list) and all(isinstance(word, str) for word in test):
        if scenarios[0].get("service"):
            words.append("--service")
        words += ["--test", _test_text(test)]
    else:
        words += ["--workload", "DIR"]
    if result["capabilities"] is None:
        words.append("--no-capabilities")
    if result["syscalls"] is None:
        words.append("--no-syscalls")
    words += ["--engine", result["engine"]["search"].split()[0]]
    return shlex.join(words)


def _test_text(test: list[str]) -> str:
    """A test as ``--test`` takes it."""
    if len(test) == 3 and test[:2] == ["/bin/sh", "-c"]:  # noqa: PLR2004 - shell, flag and command
        return test[2]
    words = ", ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in test)
    return f"[{words}]"


__all__ = ["Page", "Side", "Stretch", "page_of"]
