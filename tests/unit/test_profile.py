"""A profile holds what its result says, and nothing that is not a result becomes one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from capmin.errors import UsageError
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.profile import Profile, Strictness
from capmin.seccomp import FLOOR, docker_default
from tests.unit.test_result import ACCEPT, ACCESS, CHOWN, FUTEX, RESULT


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(RESULT.dumps())
    return loaded


def test_a_profile_says_what_its_result_says() -> None:
    assert Profile.from_result(document()) == Profile(
        image="nginx:1",
        digest="sha256:" + "0" * 64,
        architecture="x86_64",
        capabilities=frozenset({CHOWN}),
        required=frozenset({ACCEPT}),
        observed=frozenset({ACCEPT, ACCESS}),
        floor=frozenset({FUTEX}),
        denied_errno=38,
        searched_by="runc 1.1.5",
        confirmed_by="docker 20.10.24",
    )


def test_strictness_decides_what_is_granted() -> None:
    profile = Profile.from_result(document())
    assert profile.syscalls == frozenset({ACCEPT, FUTEX})
    assert profile.at(Strictness.OBSERVED).syscalls == frozenset({ACCEPT, ACCESS, FUTEX})


def test_what_was_not_searched_is_none() -> None:
    profile = Profile.from_result(replace(RESULT, capabilities=None, syscalls=None).to_json())
    assert profile.capabilities is None
    assert profile.syscalls is None
    with pytest.raises(UsageError, match="not searched"):
        profile.seccomp()


def test_default_capabilities_give_the_conditions_of_the_default_filter() -> None:
    given = replace(Profile.from_result(document()), capabilities=None).seccomp()
    base = docker_default(DOCKER_DEFAULT, "x86_64")
    assert given.allowed == FLOOR | {ACCEPT}
    assert given.architectures == base.architectures[:1]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema",), "capmin/result/2", "capmin/result/2"),
        (("schema",), None, "not a result"),
        (("image",), {}, "damaged: KeyError: 'reference'"),
        (("syscalls", "required"), ["accept5"], "no system call 'accept5'"),
        (("syscalls", "errno"), "ENOSUCH", "ENOSUCH"),
        (("syscalls",), "none", "damaged"),
        (("capabilities", "required"), ["CAP_NOPE"], "CAP_NOPE"),
        (("host", "architecture"), "vax", "vax"),
        (("created",), "yesterday", "yesterday"),
    ],
)
def test_what_is_not_a_result_is_refused_with_the_reason(
    path: tuple[str, ...], value: object, words: str
) -> None:
    changed = document()
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UsageError, match=words):
        Profile.from_result(changed)
