"""What the kernel tells of tasks, asked about this very process."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from capmin.observe.status import leader_of

GONE = 2**22 + 1
"""Above the highest number that a process can have (PID_MAX_LIMIT)."""


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def named(name: bytes) -> int:
    """The leader of this thread, once it has this name."""
    Path("/proc/thread-self/comm").write_bytes(name)
    return leader_of(threading.get_native_id())


def test_a_thread_belongs_to_its_process(thread: ThreadPoolExecutor) -> None:
    number = thread.submit(threading.get_native_id).result()
    assert number != os.getpid()
    assert leader_of(number) == os.getpid()


def test_a_process_leads_itself() -> None:
    assert leader_of(os.getpid()) == os.getpid()


def test_who_is_gone_is_taken_for_a_process() -> None:
    assert leader_of(GONE) == GONE


@pytest.mark.parametrize("name", [b"a:b", b"a\nb", b"Tgid:\t1", b"a\nTgid:\t1"])
def test_a_name_with_signs_in_it_hides_no_process(thread: ThreadPoolExecutor, name: bytes) -> None:
    assert thread.submit(named, name).result() == os.getpid()


@pytest.mark.parametrize("name", [b"a\rb", b"a\x1cb", "a\u2028b".encode(), "vierzehn-bytesü".encode()[:15]])
def test_a_name_of_any_bytes_hides_no_process(thread: ThreadPoolExecutor, name: bytes) -> None:
    assert thread.submit(named, name).result() == os.getpid()
