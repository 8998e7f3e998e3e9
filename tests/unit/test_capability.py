"""Capabilities are the kernel's: 41 names, their bits, and spellings that people use."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.errors import UsageError
from capmin.privileges.capability import (
    CAPABILITIES,
    DOCKER_DEFAULT,
    capability,
    from_mask,
    number,
    parse_capabilities,
    to_mask,
)
from capmin.privileges.risk import CAPABILITY_RISK, riskiest_first

sets = st.frozensets(st.sampled_from(CAPABILITIES))


def test_the_last_one_is_the_kernels_last_or_older() -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert len(CAPABILITIES) - 1 <= last
    assert number(CAPABILITIES[-1]) == 40


@given(sets)
def test_a_mask_round_trips(capabilities: frozenset[str]) -> None:
    assert from_mask(to_mask(parse_capabilities(",".join(capabilities)))) == capabilities


def test_unknown_bits_of_a_newer_kernel_are_left_out() -> None:
    assert from_mask(1 << 63 | 1) == {"CAP_CHOWN"}


def test_dockers_default_is_the_mask_measured_on_docker() -> None:
    assert to_mask(DOCKER_DEFAULT) == 0xA80425FB


@pytest.mark.parametrize("spelling", ["CAP_NET_RAW", "NET_RAW", "net_raw", " cap_net_raw "])
def test_people_spell_capabilities_in_many_ways(spelling: str) -> None:
    assert capability(spelling) == "CAP_NET_RAW"


def test_a_capability_that_does_not_exist_is_named_in_the_error() -> None:
    with pytest.raises(UsageError, match="NET_ROW"):
        parse_capabilities("CHOWN,NET_ROW")


def test_a_list_may_be_empty() -> None:
    assert parse_capabilities("") == frozenset()


def test_every_capability_has_a_risk() -> None:
    assert CAPABILITY_RISK.keys() == set(CAPABILITIES)


@given(sets)
def test_the_order_of_risk_loses_nothing_and_never_rises(names: frozenset[str]) -> None:
    order = riskiest_first(parse_capabilities(" ".join(names)))
    risks = [CAPABILITY_RISK[name] for name in order]
    assert set(order) == names
    assert risks == sorted(risks, reverse=True)
