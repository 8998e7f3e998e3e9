"""What a new version needs more or less than the old one: two results, compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capmin.errors import UsageError
from capmin.privileges import Capability, Syscall

Document = Mapping[str, Any]
"""A result: ``capmin/result/1``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A privilege that is needed by one of the two only.

    ``used_by_other`` tells whether passing launches of the other one used it all the same, None where that is
    not known: an answer is one of several minimal ones, so that such a change may be a matter of taste.
    ``evidence`` is what the launch that failed for want of it said, ``denied`` the system call in which.
    """

    privilege: Capability | Syscall
    used_by_other: bool | None
    denied: str | None
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KindDifference:
    """One kind of privilege; ``unchanged`` counts those that both need."""

    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """``old`` to ``new``; a kind is None where one of the two did not search it.

    ``conditions`` are those that differ, old and new: the privileges may differ because of them.
    """

    capabilities: KindDifference | None
    syscalls: KindDifference | None
    conditions: Mapping[str, tuple[str, str]]

    def __bool__(self) -> bool:
        """Whether the new one needs more or less."""
        return bool(self.capabilities) or bool(self.syscalls)


def difference(old: Document, new: Document) -> Difference:
    """Compare two results.

    Raises:
        UsageError: one is damaged, or nothing was searched in both.
    """
    try:
        found = Difference(
            capabilities=_kind(old, new, "capabilities"),
            syscalls=_kind(old, new, "syscalls"),
            conditions=_conditions(old, new),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"a result is damaged: {type(error).__name__}: {error}") from error
    if found.capabilities is None and found.syscalls is None:
        raise UsageError(
            "these results have nothing in common: one is about capabilities, the other about system calls"
        )
    return found


def _kind(old: Document, new: Document, kind: str) -> KindDifference | None:
    if old[kind] is None or new[kind] is None:
        return None
    before, after = frozenset(old[kind]["required"]), frozenset(new[kind]["required"])
    return KindDifference(
        added=_changes(after - before, needing=new, other=old, kind=kind),
        removed=_changes(before - after, needing=old, other=new, kind=kind),
        unchanged=len(before & after),
    )


def _changes(names: frozenset[str], *, needing: Document, other: Document, kind: str) -> tuple[Change, ...]:
    proofs = {entry["privilege"]: entry for entry in needing["certificate"]}
    used = other[kind].get("observed")
    return tuple(
        Change(
            privilege=Syscall(name) if kind == "syscalls" else Capability(name),
            used_by_other=name in {*used, *other[kind]["floor"]} if used else None,
            denied=proofs.get(name, {}).get("denied"),
            evidence=proofs.get(name, {}).get("evidence", ""),
        )
        for name in sorted(names)
    )


def _conditions(old: Document, new: Document) -> dict[str, tuple[str, str]]:
    """What else was different, in an order that stays."""
    pairs = {name: (_condition(old, name), _condition(new, name)) for name in _CONDITIONS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "reference"),
    "digest": ("image", "digest"),
    "user": ("image", "user"),
    "engine": ("engine", "search"),
    "kernel": ("host", "kernel"),
    "architecture": ("host", "architecture"),
    "errno": ("syscalls", "errno"),
    "scenarios": ("scenarios",),
}


def _condition(document: Document, name: str) -> str:
    value: Any = document
    for key in _CONDITIONS[name]:
        value = None if value is None else value.get(key)
    if isinstance(value, list):
        return ", ".join(scenario["name"] for scenario in value)
    return "" if value is None else str(value)
