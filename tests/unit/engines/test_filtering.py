"""The filter of a launch, and who answers: what is observed differs from what is not only by NOTIFY.

- Unobserved: Docker's default, or exactly the grant and the floor; a given profile to the letter.
- Observed: the same calls go ahead in the kernel, and each call denied by name is notified instead.
- The answers are those that the plain filter gives.
- Calls that are watched and granted are notified, and let through.
"""

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from capmin.engines import Image, LaunchSpec, Observe
from capmin.engines.filtering import filter_for, observes
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.seccomp import FLOOR, Action, SeccompProfile, docker_default, unconfined

ARCHITECTURE = "x86_64"
SOCKET = Path("/run/x.sock")
IMAGE = Image(reference="x", digest="sha256:0", handle="/")
ACCEPT, MOUNT, CLONE3 = Syscall("accept4"), Syscall("mount"), Syscall("clone3")
OF_PROCESSES = {"execve", "exit_group"}
NO_ARGUMENTS = (0,) * 6
USUAL = Grant(capabilities=DOCKER_DEFAULT)
ONE = USUAL.with_syscalls([ACCEPT])
DEFAULT = docker_default(DOCKER_DEFAULT, ARCHITECTURE)


def spec(
    observe: Observe, seccomp_profile: SeccompProfile | None = None, watched: Iterable[Syscall] = ()
) -> LaunchSpec:
    return LaunchSpec(
        image=IMAGE,
        observe=observe,
        watched=frozenset(watched),
        denied_errno=errno.EPERM,
        seccomp_profile=seccomp_profile,
    )


def actions(profile: SeccompProfile) -> Mapping[Syscall, Action]:
    return {name: rule.action for rule in profile.rules for name in rule.names}


def notified(profile: SeccompProfile) -> frozenset[Syscall]:
    return frozenset(name for name, action in actions(profile).items() if action is Action.NOTIFY)


@pytest.mark.parametrize("observe", Observe)
def test_a_given_profile_is_used_to_the_letter(observe: Observe) -> None:
    profile = unconfined(ARCHITECTURE)
    chosen = filter_for(spec(observe, seccomp_profile=profile), ONE, ARCHITECTURE, SOCKET)
    assert chosen.profile is profile
    assert chosen.decide is None
    assert not observes(spec(observe, seccomp_profile=profile))


def test_unobserved_without_syscalls_is_dockers_default() -> None:
    assert filter_for(spec(Observe.NOTHING), USUAL, ARCHITECTURE, None).profile == DEFAULT


@pytest.mark.parametrize("grant", [USUAL, ONE])
@pytest.mark.parametrize("observe", [Observe.DENIALS, Observe.USES])
@pytest.mark.parametrize("name", sorted(OF_PROCESSES))
def test_observed_filters_notify_starts_and_ends_once(observe: Observe, grant: Grant, name: str) -> None:
    profile = filter_for(spec(observe), grant, ARCHITECTURE, SOCKET).profile
    rules = [rule for rule in profile.rules if name in rule.names]
    assert [rule.action for rule in rules] == [Action.NOTIFY]
    assert profile.listener_path == str(SOCKET)


@pytest.mark.parametrize("grant", [USUAL, ONE])
def test_denials_notify_what_the_plain_filter_denies(grant: Grant) -> None:
    plain = filter_for(spec(Observe.NOTHING), grant, ARCHITECTURE, None).profile
    observed = filter_for(spec(Observe.DENIALS), grant, ARCHITECTURE, SOCKET).profile
    assert observed.allowed == plain.allowed - OF_PROCESSES
    assert notified(observed) == (table(ARCHITECTURE).keys() - plain.allowed) | OF_PROCESSES


def test_denials_are_answered_as_the_emitted_profile_will() -> None:
    decide = filter_for(spec(Observe.DENIALS), ONE, ARCHITECTURE, SOCKET).decide
    assert decide is not None
    assert decide(MOUNT, NO_ARGUMENTS) == errno.EPERM
    assert decide(CLONE3, NO_ARGUMENTS) == errno.ENOSYS


@pytest.mark.parametrize("observe", [Observe.DENIALS, Observe.USES])
def test_without_syscalls_dockers_default_answers(observe: Observe) -> None:
    decide = filter_for(spec(observe), USUAL, ARCHITECTURE, SOCKET).decide
    assert decide is not None
    assert decide(MOUNT, NO_ARGUMENTS) == errno.EPERM
    assert decide(ACCEPT, NO_ARGUMENTS) is None


def test_uses_notify_everything_but_floor_and_grant() -> None:
    observed = actions(filter_for(spec(Observe.USES), ONE, ARCHITECTURE, SOCKET).profile)
    allowed = {name for name, action in observed.items() if action is Action.ALLOW}
    assert allowed == (FLOOR | {ACCEPT}) - OF_PROCESSES
    assert observed.keys() == table(ARCHITECTURE).keys()


def test_watched_calls_that_are_granted_are_notified_and_let_through() -> None:
    chosen = filter_for(spec(Observe.DENIALS, watched=[ACCEPT]), ONE, ARCHITECTURE, SOCKET)
    unwatched = filter_for(spec(Observe.DENIALS), ONE, ARCHITECTURE, SOCKET)
    assert notified(chosen.profile) == notified(unwatched.profile) | {ACCEPT}
    assert chosen.profile.allowed == unwatched.profile.allowed - {ACCEPT}
    assert chosen.decide is not None
    assert chosen.decide(ACCEPT, NO_ARGUMENTS) is None
    assert chosen.decide(MOUNT, NO_ARGUMENTS) == errno.EPERM


def test_watched_calls_that_are_not_granted_are_denied_as_others() -> None:
    chosen = filter_for(spec(Observe.DENIALS, watched=[MOUNT, CLONE3]), ONE, ARCHITECTURE, SOCKET)
    assert chosen.profile == filter_for(spec(Observe.DENIALS), ONE, ARCHITECTURE, SOCKET).profile
    assert chosen.decide is not None
    assert chosen.decide(MOUNT, NO_ARGUMENTS) == errno.EPERM
    assert chosen.decide(CLONE3, NO_ARGUMENTS) == errno.ENOSYS


@pytest.mark.parametrize(
    ("observe", "grant"),
    [(Observe.NOTHING, ONE), (Observe.USES, ONE), (Observe.USES, USUAL), (Observe.DENIALS, USUAL)],
)
def test_nothing_is_watched_without_denials_of_a_grant(observe: Observe, grant: Grant) -> None:
    watching = filter_for(spec(observe, watched=[ACCEPT]), grant, ARCHITECTURE, SOCKET)
    assert watching.profile == filter_for(spec(observe), grant, ARCHITECTURE, SOCKET).profile


def test_observing_needs_a_socket() -> None:
    with pytest.raises(EngineError):
        filter_for(spec(Observe.USES), ONE, ARCHITECTURE, None)
