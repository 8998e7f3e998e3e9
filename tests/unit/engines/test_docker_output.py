"""The tail of a stream is the last part of what was added, however it was cut into chunks."""

from hypothesis import given
from hypothesis import strategies as st

from capmin.engines.docker.output import Tail


@given(st.lists(st.binary(max_size=40)), st.integers(1, 60))
def test_it_is_the_last_part(chunks: list[bytes], limit_bytes: int) -> None:
    tail = Tail(limit_bytes)
    for chunk in chunks:
        tail.add(chunk)
    assert tail.text() == b"".join(chunks)[-limit_bytes:].decode(errors="replace")


@given(st.lists(st.binary(max_size=40)), st.integers(1, 60))
def test_it_keeps_little_more(chunks: list[bytes], limit_bytes: int) -> None:
    tail = Tail(limit_bytes)
    for chunk in chunks:
        tail.add(chunk)
        assert sum(map(len, tail._chunks)) < limit_bytes + 40
