"""The answer, independent of any format: what `capmin.emit` renders."""

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from capmin import __version__
from capmin.errors import UsageError
from capmin.mounting import ServiceMount
from capmin.portable import Runtime, counterparts, missing, runtime_calls
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT, capability
from capmin.privileges.syscall import syscall
from capmin.result import SCHEMA
from capmin.seccomp import FLOOR, Action, Rule, SeccompProfile, docker_default, profile_for


class Strictness(StrEnum):
    """How much a profile grants."""

    MINIMAL = "minimal"
    """What was proved to be needed, and the floor."""

    OBSERVED = "observed"
    """And every system call that the passing runs used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What an image is to be granted, and where that is known from.

    ``capabilities`` is None where the runtime's default ones apply, ``required`` (the system calls above the
    floor) where its default filter does: they were not searched. ``observed`` is what passing runs used;
    ``user`` the image's own, empty for root or where it is not known; ``mounts`` what the tests ran with.

    The rest is where the profile is to hold, of which only the defaults were tried: ``targets`` are
    architectures (none: the one it was found on), ``runtime`` what starts the containers. With
    ``no_new_privileges`` setuid programs gain nothing either. ``name`` is for what a format names: a
    service, a pod, a profile.
    """

    image: str
    digest: str
    architecture: str
    capabilities: frozenset[Capability] | None
    required: frozenset[Syscall] | None
    observed: frozenset[Syscall] = frozenset()
    floor: frozenset[Syscall] = frozenset()
    denied_errno: int = errno.ENOSYS
    searched_by: str
    confirmed_by: str | None = None
    user: str = ""
    mounts: tuple[ServiceMount, ...] = ()
    created: datetime | None = None
    capmin_version: str = __version__
    strictness: Strictness = Strictness.MINIMAL
    targets: tuple[str, ...] = ()
    runtime: Runtime = Runtime.RUNC
    no_new_privileges: bool = False
    name: str = ""

    @property
    def architectures(self) -> tuple[str, ...]:
        """Where the profile is to hold."""
        return self.targets or (self.architecture,)

    @property
    def granted(self) -> frozenset[Capability]:
        """The capabilities that the tests pass with: Docker's default ones where they were not searched."""
        return DOCKER_DEFAULT if self.capabilities is None else self.capabilities

    @property
    def syscalls(self) -> frozenset[Syscall] | None:
        """What is granted, the floor included; None where the default filter applies."""
        if self.required is None:
            return None
        return self.floor.union(*self.reasons.values())

    @property
    def reasons(self) -> Mapping[str, frozenset[Syscall]]:
        """What is granted above the floor, by the reason for it, the strongest first.

        A call stands with its first reason only; without a search of system calls there are none.
        """
        if self.required is None:
            return {}
        used = self.observed if self.strictness is Strictness.OBSERVED else frozenset()
        reasons = {"needed by the tests": self.required, "used when the tests passed, not needed": used}
        for architecture in self.architectures:
            named = self.counterparts(architecture).values()
            reasons[f"other names of the same on {architecture}"] = frozenset().union(*named)
        reasons["needed by crun itself"] = runtime_calls(self.runtime)
        return _disjoint(reasons)

    def counterparts(self, architecture: str) -> Mapping[Syscall, tuple[Syscall, ...]]:
        """Calls that have other names on an architecture, and those names."""
        used = self.observed if self.strictness is Strictness.OBSERVED else frozenset()
        return counterparts((self.required or frozenset()) | used, self.architecture, architecture)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the search does not vouch for, a line each."""
        found = [line for name in self.architectures for line in self._warnings_about(name)]
        if self.runtime is not Runtime.RUNC:
            found.append(
                "the calls of crun are granted by a list and not by trials: launch the profile on crun"
            )
        if self.no_new_privileges:
            found.append("no-new-privileges was not tried: it breaks setuid programs and file capabilities")
        return tuple(found)

    def _warnings_about(self, architecture: str) -> list[str]:
        if architecture == self.architecture:
            return []
        found = [
            f"searched on {self.architecture}: launch the profile on {architecture} before relying on it"
        ]
        lacking = missing(self.required or (), architecture)
        named = self.counterparts(architecture)
        if lacking:
            words = [f"{call} ({', '.join(named.get(call, ['nothing']))})" for call in sorted(lacking)]
            found.append(f"{architecture} lacks, and gets instead: {', '.join(words)}")
        return found

    def at(self, strictness: Strictness) -> "Profile":
        return replace(self, strictness=strictness)

    def seccomp(self) -> SeccompProfile:
        """The filter; the runtime's calls are a rule of their own, and every rule's comment says why.

        Raises:
            UsageError: system calls were not searched.
        """
        if self.syscalls is None:
            raise UsageError(
                f"the system calls of {self.image} were not searched: run capmin search with --syscalls"
            )
        filters = [self._filter(self.syscalls, architecture) for architecture in self.architectures]
        merged = replace(
            filters[0],
            architectures=tuple(name for each in filters for name in each.architectures),
            rules=_merged(rule for each in filters for rule in each.rules),
        )
        return replace(merged, rules=tuple(part for rule in merged.rules for part in self._explained(rule)))

    def _filter(self, syscalls: frozenset[Syscall], architecture: str) -> SeccompProfile:
        return profile_for(
            syscalls,
            base=docker_default(self.granted, architecture),
            architecture=architecture,
            denied_errno=self.denied_errno,
        )

    def _explained(self, rule: Rule) -> list[Rule]:
        """A rule that grants what is above the floor, as one rule a reason."""
        if rule.action is not Action.ALLOW or rule.conditions or FLOOR.issuperset(rule.names):
            return [rule]
        parts = {comment: names.intersection(rule.names) for comment, names in self.reasons.items()}
        return [
            replace(rule, names=tuple(sorted(names)), comment=comment)
            for comment, names in parts.items()
            if names
        ]

    @classmethod
    def from_result(cls, document: Mapping[str, Any]) -> Self:
        """The profile of a result: the document `capmin.result.Result.to_json` gives.

        Raises:
            UsageError: it is not such a document.
        """
        if document.get("schema") != SCHEMA:
            raise UsageError(
                f"not a result of capmin search: schema is {document.get('schema')!r}, not {SCHEMA!r}"
            )
        try:
            return cls(**_fields(document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"the result is damaged: {type(error).__name__}: {error}") from error


def _disjoint(reasons: Mapping[str, frozenset[Syscall]]) -> dict[str, frozenset[Syscall]]:
    """Each call with its first reason; reasons of none left out."""
    seen: frozenset[Syscall] = frozenset()
    result = {}
    for reason, names in reasons.items():
        if names - seen:
            result[reason] = names - seen
        seen |= names
    return result


def _merged(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Rules that differ in their names only, as one."""
    names: dict[Rule, frozenset[Syscall]] = {}
    for rule in rules:
        key = replace(rule, names=())
        names[key] = names.get(key, frozenset()).union(rule.names)
    return tuple(replace(key, names=tuple(sorted(found))) for key, found in names.items())


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    architecture = document["host"]["architecture"]
    return {
        "image": document["image"]["reference"],
        "digest": document["image"]["digest"],
        "user": document["image"].get("user", ""),
        "architecture": architecture,
        "mounts": tuple(ServiceMount.from_json(mount) for mount in document.get("mounts", ())),
        "capabilities": _capabilities(document["capabilities"]),
        "searched_by": document["engine"]["search"],
        "confirmed_by": document["engine"]["confirm"],
        "created": _moment(document.get("created")),
        **_syscall_fields(document["syscalls"], architecture),
    }


def _capabilities(answer: Mapping[str, Any] | None) -> frozenset[Capability] | None:
    if answer is None:
        return None
    return frozenset(capability(name) for name in answer["required"])


def _syscall_fields(answer: Mapping[str, Any] | None, architecture: str) -> dict[str, Any]:
    if answer is None:
        return {"required": None}
    names = {
        key: frozenset(syscall(name, architecture) for name in answer[key])
        for key in ("required", "observed", "floor")
    }
    return {**names, "denied_errno": getattr(errno, answer["errno"])}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
