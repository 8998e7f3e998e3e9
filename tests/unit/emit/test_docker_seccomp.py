"""The document parses back to the profile's filter, and states every errno where Docker 20.10 reads it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capmin.emit import emit
from capmin.errors import UsageError
from capmin.privileges.syscall import table
from capmin.profile import Profile, Strictness
from capmin.seccomp import FLOOR, SeccompProfile
from tests.unit.emit.test_golden import golden_profile

NGINX = golden_profile("nginx")
CALLS = sorted(table("x86_64"))


def parsed(profile: Profile) -> SeccompProfile:
    return SeccompProfile.from_oci(json.loads(emit(profile, "docker-seccomp")))


def answer(document: dict[str, Any], name: str) -> tuple[str, int | None]:
    """What Docker 20.10 does with a call: it knows the default action, not the default errno."""
    for rule in document["syscalls"]:
        if name in rule["names"]:
            return rule["action"], rule.get("errnoRet")
    return document["defaultAction"], None


@settings(deadline=None)  # the first example reads the tables
@given(required=st.frozensets(st.sampled_from(CALLS)), errno=st.sampled_from([1, 38]))
def test_it_allows_what_is_required_and_the_floor(required: frozenset[str], errno: int) -> None:
    profile = replace(NGINX, required=required, denied_errno=errno)  # type: ignore[arg-type]  # of the table
    assert parsed(profile).allowed == required | FLOOR


@settings(deadline=None)  # the first example reads the tables
@given(required=st.frozensets(st.sampled_from(CALLS)), errno=st.sampled_from([1, 38]))
def test_docker_20_10_answers_every_denied_call_with_the_same_errno(
    required: frozenset[str], errno: int
) -> None:
    profile = replace(NGINX, required=required, denied_errno=errno)  # type: ignore[arg-type]  # of the table
    document = json.loads(emit(profile, "docker-seccomp"))
    for name in CALLS:
        if name not in required | FLOOR:
            assert answer(document, name) == ("SCMP_ACT_ERRNO", 38 if name == "clone3" else errno)


def test_observed_grants_what_passing_runs_used_too() -> None:
    minimal, observed = parsed(NGINX), parsed(NGINX.at(Strictness.OBSERVED))
    assert observed.allowed - minimal.allowed == NGINX.observed - (NGINX.required or frozenset()) - FLOOR
    assert "access" in observed.allowed
    assert "access" not in minimal.allowed


def test_a_search_without_system_calls_has_no_such_document() -> None:
    with pytest.raises(UsageError, match="--syscalls"):
        emit(replace(NGINX, required=None), "docker-seccomp")


def test_the_first_comment_tells_where_it_comes_from() -> None:
    comment = json.loads(emit(NGINX, "docker-seccomp"))["syscalls"][0]["comment"]
    assert "capmin 0.1.0 on 2026-11-21T19:30:00Z" in comment
    assert NGINX.digest in comment
