"""System calls: the names and numbers of one architecture (arch/*/entry/syscalls/*.tbl)."""

import platform
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NewType

import system_calls

from capmin.errors import UsageError

Syscall = NewType("Syscall", str)


def host_architecture() -> str:
    """The machine's architecture as `uname -m` and `system_calls` spell it, for example ``x86_64``."""
    machine = platform.machine()
    return "arm64" if machine == "aarch64" else machine


@cache
def table(architecture: str) -> Mapping[Syscall, int]:
    """Every system call of an architecture (``x86_64``, ``arm64``) with its number.

    Raises:
        UsageError: the architecture is not known.
    """
    tables = system_calls.syscalls()
    if architecture not in tables.archs():
        raise UsageError(f"no table of system calls for architecture {architecture!r}")
    entries = tables.load_arch_table(architecture)
    return MappingProxyType({Syscall(name): number for name, number in entries.items()})


@cache
def names_by_number(architecture: str) -> Mapping[int, Syscall]:
    """The inverse of `table`."""
    return MappingProxyType({number: name for name, number in table(architecture).items()})


def syscall(name: str, architecture: str) -> Syscall:
    """The system call of that name.

    Raises:
        UsageError: the architecture has no such call. Runtimes drop unknown names silently, so that a
            typing error would go unnoticed.
    """
    candidate = Syscall(name)
    if candidate not in table(architecture):
        raise UsageError(f"{architecture} has no system call {name!r}")
    return candidate
