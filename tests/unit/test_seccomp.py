"""The seccomp document: Docker's default as the daemon resolves it, and filters made from grants.

The numbers of calls allowed are those counted for moby 26.1.5 on amd64.
"""

import errno
import json
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.errors import UsageError
from capmin.privileges.capability import DOCKER_DEFAULT, parse_capabilities
from capmin.privileges.syscall import Syscall, table
from capmin.seccomp import (
    FLOOR,
    Action,
    SeccompProfile,
    docker_default,
    profile_for,
    resolve_docker,
    unconfined,
)

ARCHITECTURE = "x86_64"
DEFAULT = docker_default(DOCKER_DEFAULT, ARCHITECTURE)
CANDIDATES = sorted((DEFAULT.allowed & table(ARCHITECTURE).keys()) - FLOOR)
NO_ARGUMENTS = (0, 0, 0, 0, 0, 0)
CLONE_NEWUSER = 0x10000000

grants = st.frozensets(st.sampled_from(CANDIDATES))


def _minimal(granted: frozenset[Syscall], denied_errno: int = errno.ENOSYS) -> SeccompProfile:
    return profile_for(granted, base=DEFAULT, architecture=ARCHITECTURE, denied_errno=denied_errno)


def test_only_chroot_depends_on_a_default_capability() -> None:
    assert DEFAULT.allowed - docker_default((), ARCHITECTURE).allowed == {"chroot"}


def test_a_capability_beyond_the_default_opens_its_calls() -> None:
    admin = docker_default(parse_capabilities("SYS_ADMIN"), ARCHITECTURE)
    assert "mount" in admin.allowed
    assert "mount" not in DEFAULT.allowed
    assert admin.errno_for(Syscall("clone"), (CLONE_NEWUSER, *NO_ARGUMENTS[1:])) is None


def test_conditions_on_arguments_decide() -> None:
    assert DEFAULT.errno_for(Syscall("clone"), NO_ARGUMENTS) is None
    assert DEFAULT.errno_for(Syscall("clone"), (CLONE_NEWUSER, *NO_ARGUMENTS[1:])) == errno.EPERM
    assert DEFAULT.errno_for(Syscall("clone3"), NO_ARGUMENTS) == errno.ENOSYS
    assert DEFAULT.errno_for(Syscall("socket"), (40, *NO_ARGUMENTS[1:])) == errno.EPERM


def test_only_what_no_argument_can_have_denied_is_allowed_always() -> None:
    assert DEFAULT.allowed - DEFAULT.allowed_always == {"clone", "personality", "socket"}
    assert all(DEFAULT.errno_for(name, NO_ARGUMENTS) is None for name in DEFAULT.allowed_always)


def test_a_capability_that_lifts_a_condition_allows_always() -> None:
    admin = docker_default(parse_capabilities("SYS_ADMIN"), ARCHITECTURE)
    assert "clone" in admin.allowed_always
    assert "mount" in admin.allowed_always


def test_nothing_that_is_denied_or_notified_is_allowed_always() -> None:
    granted = frozenset({Syscall("accept4"), Syscall("clone")})
    assert _minimal(granted).allowed_always == (FLOOR & table(ARCHITECTURE).keys()) | {"accept4"}


def test_the_default_belongs_to_an_architecture() -> None:
    assert "arch_prctl" in DEFAULT.allowed
    assert "arch_prctl" not in docker_default(DOCKER_DEFAULT, "arm64").allowed


@given(grants)
def test_a_filter_allows_the_grant_and_the_floor_and_nothing_else(granted: frozenset[Syscall]) -> None:
    assert _minimal(granted).allowed == granted | (FLOOR & table(ARCHITECTURE).keys())


@given(grants, st.sampled_from([errno.ENOSYS, errno.EPERM]))
def test_every_denied_call_has_its_errno_by_name(granted: frozenset[Syscall], code: int) -> None:
    """Docker 20.10 drops ``defaultErrnoRet``, so that the default action must not matter."""
    profile = _minimal(granted, code)
    named = {name: rule.errno for rule in profile.rules if rule.action is Action.ERRNO for name in rule.names}
    assert named.keys() == table(ARCHITECTURE).keys() - granted - FLOOR
    assert {named[name] for name in named.keys() - {"clone3"}} == {code}
    assert named[Syscall("clone3")] == errno.ENOSYS


def test_what_docker_restricts_by_argument_stays_restricted() -> None:
    profile = _minimal(frozenset({Syscall("clone"), Syscall("personality")}))
    assert profile.errno_for(Syscall("clone"), NO_ARGUMENTS) is None
    assert profile.errno_for(Syscall("clone"), (CLONE_NEWUSER, *NO_ARGUMENTS[1:])) == errno.ENOSYS


@given(grants)
def test_the_document_round_trips(granted: frozenset[Syscall]) -> None:
    profile = _minimal(granted)
    assert SeccompProfile.from_oci(json.loads(json.dumps(profile.to_docker()))) == profile


def test_a_listener_gets_what_is_denied() -> None:
    watched = profile_for(
        (), base=DEFAULT, architecture=ARCHITECTURE, denied_errno=errno.ENOSYS, listener_path="/run/x.sock"
    )
    assert watched.to_oci()["listenerPath"] == "/run/x.sock"
    notified = [rule.names for rule in watched.rules if rule.action is Action.NOTIFY]
    assert set(notified[0]) == table(ARCHITECTURE).keys() - FLOOR


def test_write_is_never_notified_for_runc_refuses_it() -> None:
    assert "write" in FLOOR


def test_unconfined_denies_nothing() -> None:
    assert unconfined(ARCHITECTURE).errno_for(Syscall("reboot"), NO_ARGUMENTS) is None


def test_the_shipped_default_is_resolved_whole() -> None:
    text = resources.files("capmin").joinpath("data/docker-default-seccomp.json").read_text()
    assert resolve_docker(json.loads(text), DOCKER_DEFAULT, ARCHITECTURE) == DEFAULT
    assert DEFAULT.architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")


@pytest.mark.parametrize("document", [{}, {"defaultAction": "SCMP_ACT_NOPE"}, {"defaultAction": None}])
def test_what_is_no_profile_is_told(document: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="not a seccomp profile"):
        resolve_docker(document, DOCKER_DEFAULT, ARCHITECTURE)
