"""The answer, independent of any format: what `capmin.emit` renders."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from capmin import __version__
from capmin.errors import UsageError
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT, capability
from capmin.privileges.syscall import syscall
from capmin.result import SCHEMA
from capmin.seccomp import SeccompProfile, docker_default, profile_for


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
    ``user`` the image's own, empty for root or where it is not known.
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
    created: datetime | None = None
    capmin_version: str = __version__
    strictness: Strictness = Strictness.MINIMAL

    @property
    def syscalls(self) -> frozenset[Syscall] | None:
        """What is granted, the floor included; None where the default filter applies."""
        if self.required is None:
            return None
        used = self.observed if self.strictness is Strictness.OBSERVED else frozenset()
        return self.required | self.floor | used

    def at(self, strictness: Strictness) -> "Profile":
        return replace(self, strictness=strictness)

    def seccomp(self) -> SeccompProfile:
        """The filter.

        Raises:
            UsageError: system calls were not searched.
        """
        if self.syscalls is None:
            raise UsageError(
                f"the system calls of {self.image} were not searched: run capmin search with --syscalls"
            )
        capabilities = DOCKER_DEFAULT if self.capabilities is None else self.capabilities
        return profile_for(
            self.syscalls,
            base=docker_default(capabilities, self.architecture),
            architecture=self.architecture,
            denied_errno=self.denied_errno,
        )

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


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    architecture = document["host"]["architecture"]
    return {
        "image": document["image"]["reference"],
        "digest": document["image"]["digest"],
        "user": document["image"].get("user", ""),
        "architecture": architecture,
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
