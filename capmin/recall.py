"""An earlier answer, as a place to start from: from the store, or named with ``--from``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.result import SCHEMA

Document = Mapping[str, Any]
"""A result: ``capmin/result/1``."""


def read_result(path: Path) -> Document:
    """Read a ``result.json``, or the one in an output directory.

    Raises:
        UsageError: there is none, or it is not a result.
    """
    file = path / "result.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read a result from {file}: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"{file} is not a result of capmin search")
    return document


def answers(document: Document, *, capabilities: bool, syscalls: bool) -> bool:
    """Whether a result is about these kinds of privilege, and no others."""
    searched = (document["capabilities"] is not None, document["syscalls"] is not None)
    return searched == (capabilities, syscalls)


def recalled_grant(document: Document, most: frozenset[Privilege]) -> Grant:
    """What a result found to be needed, as far as it may be granted now: no more than ``most``.

    Of a kind that was not searched, all of ``most`` is granted: capabilities, or the default filter.
    """
    capabilities, syscalls = document["capabilities"], document["syscalls"]
    granted = frozenset(CAPABILITIES) & most
    if capabilities is not None:
        granted &= frozenset(map(Capability, capabilities["required"]))
    return Grant(
        capabilities=granted,
        syscalls=None if syscalls is None else frozenset(map(Syscall, syscalls["required"])) & most,
    )


def recalled_observation(document: Document) -> frozenset[Syscall]:
    """The system calls that passing launches used then."""
    syscalls = document["syscalls"]
    return frozenset() if syscalls is None else frozenset(map(Syscall, syscalls["observed"]))


def recalled_uses(document: Document) -> dict[Syscall, int]:
    """How often one launch made each call then; empty where the result does not say."""
    syscalls = document["syscalls"]
    return {} if syscalls is None else {Syscall(name): n for name, n in syscalls.get("uses", {}).items()}
