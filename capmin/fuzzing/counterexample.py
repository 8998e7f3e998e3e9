"""A grant that disagrees with an answer: what it is, and its file, from which it is tried again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.result import Confirmation

SCHEMA = "capmin/counterexample/1"


class Kind(StrEnum):
    """What is wrong."""

    TRAP = "trap"
    """More is granted, and the tests fail: a program takes another way with it, on which it breaks."""

    PART = "part"
    """Less is granted, and the tests pass: the answer is not the smallest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counterexample:
    """The smallest grant found that disagrees with an answer.

    Attributes:
        answer: what was found to be needed.
        granted: what a trap adds to it.
        withheld: what a part leaves out of it.
        lacking: what a trap has to be granted in addition for the tests to pass again; empty where nothing
            that may be granted helps, None where that was not found out.
        smallest: False where the budget ran out before it was known to be.
        seen: how often it disagreed, of the launches made to confirm it.
        trial: the number of the last of these.
        reason: why the verdict was so, and ``evidence`` the program's own words.
    """

    kind: Kind
    answer: Grant
    granted: frozenset[Privilege] = frozenset()
    withheld: frozenset[Privilege] = frozenset()
    lacking: frozenset[Privilege] | None = None
    smallest: bool = True
    seen: Confirmation
    trial: int
    reason: str = ""
    evidence: str = ""

    @property
    def grant(self) -> Grant:
        return self.answer.adding(self.granted).without(self.withheld)

    @property
    def file_name(self) -> str:
        """The same for the same grant: what is found again is written over itself."""
        text = " ".join([str(self.kind), *sorted(self.grant.privileges)])
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"

    def to_json(self) -> dict[str, Any]:
        calls = self.answer.syscalls
        return {
            "kind": str(self.kind),
            "granted": sorted(self.granted),
            "withheld": sorted(self.withheld),
            "lacking": None if self.lacking is None else sorted(self.lacking),
            "smallest": self.smallest,
            "seen": {"times": self.seen.passed, "launches": self.seen.runs},
            "trial": self.trial,
            "reason": self.reason,
            "evidence": self.evidence,
            "answer": {
                "capabilities": sorted(self.answer.capabilities),
                "syscalls": None if calls is None else sorted(calls),
            },
        }


def write_counterexample(found: Counterexample, directory: Path, about: Mapping[str, Any]) -> Path:
    """Write one, with what it is ``about``: image and engine, for people. The file.

    Raises:
        UsageError: the directory cannot be written to.
    """
    file = directory / found.file_name
    document = {"schema": SCHEMA, **about, **found.to_json()}
    try:
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; choose another --output") from error
    return file


def read_counterexample(file: Path) -> Counterexample:
    """Read one.

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read a counterexample from {file}: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"{file} is not a counterexample of capmin fuzz ({SCHEMA})")
    try:
        return _counterexample(document)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} is damaged: {type(error).__name__}: {error}") from error


def _counterexample(document: Mapping[str, Any]) -> Counterexample:
    calls = document["answer"]["syscalls"]
    lacking = document["lacking"]
    return Counterexample(
        kind=Kind(document["kind"]),
        answer=Grant(
            capabilities=frozenset(map(Capability, document["answer"]["capabilities"])),
            syscalls=None if calls is None else frozenset(map(Syscall, calls)),
        ),
        granted=_privileges(document["granted"]),
        withheld=_privileges(document["withheld"]),
        lacking=None if lacking is None else _privileges(lacking),
        smallest=document["smallest"],
        seen=Confirmation(passed=document["seen"]["times"], runs=document["seen"]["launches"]),
        trial=document["trial"],
        reason=document["reason"],
        evidence=document["evidence"],
    )


def _privileges(names: list[str]) -> frozenset[Privilege]:
    return frozenset(Capability(name) if name.startswith("CAP_") else Syscall(name) for name in names)
