"""A grant is a point of the lattice: taking away never adds, and kinds do not mix."""

from typing import TYPE_CHECKING

from capmin.grant import Grant
from capmin.privileges.capability import parse_capabilities
from capmin.privileges.syscall import Syscall

if TYPE_CHECKING:
    from capmin.privileges import Privilege

CALLS = frozenset({Syscall("accept4"), Syscall("bind")})
GRANT = Grant(capabilities=parse_capabilities("CHOWN KILL"), syscalls=CALLS)


def test_privileges_of_every_kind_are_taken_away_alike() -> None:
    less = GRANT.without(frozenset({*parse_capabilities("KILL"), Syscall("bind")}))
    assert less == Grant(capabilities=parse_capabilities("CHOWN"), syscalls=frozenset({Syscall("accept4")}))


def test_the_default_filter_stays_the_default_filter() -> None:
    default = GRANT.with_syscalls(None)
    assert default.without(CALLS) == default
    assert default.privileges == parse_capabilities("CHOWN KILL")


def test_what_was_taken_away_can_be_given_back() -> None:
    taken: frozenset[Privilege] = frozenset({*parse_capabilities("KILL"), Syscall("bind")})
    assert GRANT.without(taken).adding(taken) == GRANT


def test_nothing_is_taken_away_by_an_empty_set() -> None:
    assert GRANT.without(frozenset()) == GRANT
