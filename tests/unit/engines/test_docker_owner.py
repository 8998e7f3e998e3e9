"""Whose a container is.

- A label says it, and what it says is read back; other labels name nobody.
- A process is dead where it is known to be: its number gone or given to another. Elsewhere nothing is known.
"""

import os
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.engines.docker.owner import Owner

NUMBERS = st.integers(0, 2**63)


@given(st.builds(Owner, boot=st.uuids().map(str), namespace=NUMBERS, pid=NUMBERS, started=NUMBERS))
def test_a_label_is_read_back(owner: Owner) -> None:
    assert Owner.parse(str(owner)) == owner


@pytest.mark.parametrize("label", ["", "me", "a/b/c/d", "a/1/2", "a/1/2/3/4"])
def test_other_labels_name_nobody(label: str) -> None:
    assert Owner.parse(label) is None


def test_this_process_is_alive() -> None:
    owner = Owner.this_process()
    assert owner.pid == os.getpid()
    assert not owner.is_dead()


def test_a_number_given_to_another_process_is_not_the_owner() -> None:
    owner = Owner.this_process()
    assert replace(owner, started=owner.started - 1).is_dead()


def test_a_process_that_has_ended_is_dead() -> None:
    with subprocess.Popen(["true"]) as process:
        pid = process.pid
    assert replace(Owner.this_process(), pid=pid).is_dead()


@pytest.mark.parametrize("elsewhere", [{"boot": "another"}, {"namespace": 1}])
def test_processes_elsewhere_are_not_judged(elsewhere: dict[str, str]) -> None:
    gone = replace(Owner.this_process(), started=0)
    assert gone.is_dead()
    assert not replace(gone, **elsewhere).is_dead()  # type: ignore[arg-type]
