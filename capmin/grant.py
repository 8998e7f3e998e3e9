"""A grant: the privileges that one launch gets, a point of the lattice that is searched."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import CAPABILITIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """The privileges of one launch; those not named are withheld.

    ``syscalls`` is None where the runtime's default filter applies (Docker's default profile, which depends
    on the capabilities granted). Otherwise it holds the calls granted *above the floor*
    (`capmin.seccomp.FLOOR`), which is always granted.
    """

    capabilities: frozenset[Capability]
    syscalls: frozenset[Syscall] | None = None

    @property
    def privileges(self) -> frozenset[Privilege]:
        """All that is granted, of every kind; the default filter adds nothing."""
        return self.capabilities | (self.syscalls or frozenset())

    def without(self, privileges: frozenset[Privilege]) -> "Grant":
        """This grant, less these privileges of whatever kind."""
        return Grant(
            capabilities=self.capabilities - privileges,
            syscalls=None if self.syscalls is None else self.syscalls - privileges,
        )

    def adding(self, privileges: frozenset[Privilege]) -> "Grant":
        """This grant and these privileges of whatever kind; under the default filter no system calls."""
        capabilities = frozenset(CAPABILITIES) & privileges
        syscalls = frozenset(Syscall(name) for name in privileges - capabilities)
        return Grant(
            capabilities=self.capabilities | capabilities,
            syscalls=None if self.syscalls is None else self.syscalls | syscalls,
        )

    def with_capabilities(self, capabilities: Iterable[Capability]) -> "Grant":
        return replace(self, capabilities=frozenset(capabilities))

    def with_syscalls(self, syscalls: Iterable[Syscall] | None) -> "Grant":
        return replace(self, syscalls=None if syscalls is None else frozenset(syscalls))
