"""The tail is the last `OUTPUT_LIMIT_BYTES`, whatever the number and the size of the writes."""

import os

import pytest

from capmin.engines import OUTPUT_LIMIT_BYTES
from capmin.engines.output_tail import OutputTail


def tail_of(*chunks: bytes) -> str:
    read_end, write_end = os.pipe()
    tail = OutputTail(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        for chunk in chunks:
            pipe.write(chunk)
    tail.wait(10)
    return tail.text()


def test_all_of_it_if_it_is_short() -> None:
    assert tail_of(b"one\n", b"two\n") == "one\ntwo\n"


@pytest.mark.parametrize("surplus", [0, 1, OUTPUT_LIMIT_BYTES, 5 * OUTPUT_LIMIT_BYTES + 7])
def test_the_last_part_if_it_is_long(surplus: int) -> None:
    text = tail_of(b"a" * surplus, b"b" * (OUTPUT_LIMIT_BYTES - 1), b"c")
    assert text == "b" * (OUTPUT_LIMIT_BYTES - 1) + "c"


def test_broken_text_is_replaced() -> None:
    assert tail_of(b"\xff\xfeok") == "\ufffd\ufffdok"


def test_it_can_be_read_while_it_is_written() -> None:
    read_end, write_end = os.pipe()
    tail = OutputTail(read_end)
    os.write(write_end, b"now")
    while tail.text() != "now":
        tail.wait(0.001)
    os.close(write_end)
    tail.wait(10)
