"""Sets of privileges as text, from the numbers that the store has for them; each distinct set once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capmin.privileges.capability import from_mask

TEXT = pa.large_string()

# So many sets that what they are made of stays in the processor's cache: all 100,000 of a large store at once
# take 200 MB that are touched for the first time, and three times as long.
_AT_ONCE = 2000


def each(values: pa.Array, translate: Callable[[Any], object], kind: pa.DataType) -> pa.Array:
    """Values translated, each distinct one once; what is missing stays so."""
    encoded = values.dictionary_encode()
    # Where all are missing, that is what Arrow's dictionary holds.
    found = (None if value is None else translate(value) for value in encoded.dictionary.to_pylist())
    return pa.array(found, kind).take(encoded.indices)


def capability_texts(masks: pa.Array) -> pa.Array:
    """Sets of capabilities as their names in alphabetical order, separated by spaces."""
    return each(masks, lambda mask: " ".join(sorted(from_mask(mask))), TEXT)


def syscall_texts(bitmaps: pa.Array, names: Sequence[str]) -> pa.ChunkedArray:
    """Sets of system calls likewise.

    Args:
        bitmaps: each of bytes, little-endian.
        names: what each bit stands for.
    """
    order = np.argsort(np.array(names, dtype=object))
    words = [_words([names[bit] for bit in order[start : start + 8]]) for start in range(0, len(names), 8)]
    bitmaps = bitmaps.cast(pa.large_binary())
    parts = (
        bitmaps[start : start + _AT_ONCE].dictionary_encode() for start in range(0, len(bitmaps), _AT_ONCE)
    )
    return pa.chunked_array(
        [_texts(part.dictionary.to_pylist(), order, words).take(part.indices) for part in parts], TEXT
    )


def _texts(bitmaps: Sequence[bytes], order: np.ndarray, words: Sequence[pa.Array]) -> pa.Array:
    """By eights: what eight bits stand for is looked up, which takes a sixth of the time of bit by bit."""
    size = len(words)
    packed = np.frombuffer(b"".join(bitmap.ljust(size, b"\0") for bitmap in bitmaps), dtype=np.uint8)
    bits = np.unpackbits(packed.reshape(len(bitmaps), size), axis=1, bitorder="little")
    bytes_in_order = np.packbits(bits[:, order], axis=1, bitorder="little").T
    parts = [eight.take(pa.array(column)) for eight, column in zip(words, bytes_in_order, strict=True)]
    nothing = pa.scalar("", TEXT)
    joined = pc.binary_join_element_wise(pa.repeat(nothing, len(bitmaps)), *parts, nothing)
    return pc.utf8_rtrim(joined, characters=" ")


def _words(names: Sequence[str]) -> pa.Array:
    """For each byte the names that its bits stand for, lowest first, each with a space behind it."""
    return pa.array(
        ("".join(f"{name} " for bit, name in enumerate(names) if byte >> bit & 1) for byte in range(256)),
        TEXT,
    )
