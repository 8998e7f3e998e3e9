"""Exposure weighs what is granted by tables with sources.

- Granting more never weighs less; each of the whole-host capabilities outweighs all of Docker's defaults.
- The list of flaws names calls and capabilities that exist, each with a source, each once.
- A flaw counts only where all that it was reached through is granted.
- The frame adds up to the scores.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin import exposure
from capmin.errors import UsageError
from capmin.frames import check
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.privileges.risk import CAPABILITY_RISK, CAPABILITY_USE
from capmin.privileges.syscall import table
from tests.unit.recorded import RESULT

X86 = "x86_64"
CALLS = sorted(table(X86))


def exposed(capabilities: frozenset[Capability], syscalls: frozenset[Syscall]) -> exposure.Exposed:
    return exposure.Exposed(capabilities=capabilities, syscalls=syscalls, architecture=X86)


capability_sets = st.frozensets(st.sampled_from(CAPABILITIES))
syscall_sets = st.frozensets(st.sampled_from(CALLS), max_size=40)


@given(capability_sets, capability_sets, syscall_sets, syscall_sets)
def test_granting_more_never_weighs_less(
    some: frozenset[Capability],
    more: frozenset[Capability],
    calls: frozenset[Syscall],
    further: frozenset[Syscall],
) -> None:
    less, all_ = exposed(some, calls), exposed(some | more, calls | further)
    assert less.score <= all_.score
    assert set(less.doors) <= set(all_.doors)


def test_every_capability_has_a_grade_and_a_use() -> None:
    assert CAPABILITY_RISK.keys() == CAPABILITY_USE.keys() == set(CAPABILITIES)


def test_the_whole_host_outweighs_the_defaults() -> None:
    defaults = exposed(DOCKER_DEFAULT, frozenset()).score
    whole = [name for name in CAPABILITIES if CAPABILITY_RISK[name] == exposure.HOST_GRADE]
    assert "CAP_SYS_ADMIN" in whole
    assert all(exposure.capability_weight(name) > defaults for name in whole)


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("getpid", 1),  # nothing is known of it
        ("waitid", 1 + 3),  # CVE-2017-5123
        ("keyctl", 1 + 5 + 2 * 3),  # Docker blocks it; CVE-2014-9529 and CVE-2016-0728
        ("bpf", 1 + 5 + 5 * 3),  # blocked, and more flaws than count
    ],
)
def test_the_weight_of_a_call(name: str, weight: int) -> None:
    assert exposure.syscall_weight(Syscall(name), X86) == weight


def test_flaws_name_what_exists_once_and_with_a_source() -> None:
    flaws = exposure.flaws()
    assert len({flaw.identifier for flaw in flaws}) == len(flaws) >= 60
    for flaw in flaws:
        assert re.fullmatch(r"CVE-\d{4}-\d{4,7}", flaw.identifier)
        assert flaw.syscalls
        assert flaw.syscalls <= table(X86).keys()
        assert flaw.capability is None or flaw.capability in CAPABILITIES
        assert all(source.startswith("https://") for source in flaw.sources)
        assert flaw.what
        assert flaw.subsystem


@pytest.mark.parametrize(
    ("capabilities", "syscalls", "open_"),
    [
        ("", "fsopen fsconfig", False),
        ("CAP_SYS_ADMIN", "fsconfig", False),
        ("CAP_SYS_ADMIN", "fsopen fsconfig", True),
        ("", "unshare fsopen fsconfig", True),
    ],
)
def test_a_door_is_open_where_all_of_it_is_granted(capabilities: str, syscalls: str, *, open_: bool) -> None:
    granted = exposed(
        frozenset(map(Capability, capabilities.split())), frozenset(map(Syscall, syscalls.split()))
    )
    assert ("CVE-2022-0185" in {flaw.identifier for flaw in granted.doors}) is open_


def test_dockers_default_is_what_it_is() -> None:
    usual = exposure.before(X86)
    doors = {flaw.identifier for flaw in usual.doors}
    assert usual.capabilities == DOCKER_DEFAULT
    # Docker's seccomp profile blocks keyctl, bpf and mount; nothing stops futex or splice.
    assert {"CVE-2014-3153", "CVE-2022-0847"} <= doors
    assert not {"CVE-2016-0728", "CVE-2021-3490", "CVE-2022-0185", "CVE-2022-29582"} & doors


def test_the_frame_adds_up() -> None:
    result = RESULT.to_json()
    frame = check(exposure.exposure_frame({"web": result}), exposure.EXPOSURE)
    usual, now = exposure.before(X86), exposure.after(result)
    assert frame.loc[frame["before"], "weight"].sum() == usual.score
    assert frame.loc[frame["after"], "weight"].sum() == now.score < usual.score
    assert frame["why"].notna().all()


def test_what_was_not_searched_is_as_docker_has_it() -> None:
    document = RESULT.to_json() | {"capabilities": None, "syscalls": None}
    assert exposure.after(document) == exposure.before(X86)


def test_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="not a result"):
        exposure.after({"schema": "other"})
