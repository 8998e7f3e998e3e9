"""A value in a document that knows the line it stands on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capmin.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A word in a file, and its line."""

    text: str
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A value of a YAML or JSON document, as `capmin.yaml_files` reads it; ``line`` counts from 1."""

    value: Any
    line: int
    file: str

    def get(self, key: str) -> "Node | None":
        """The value of a key; None where it is missing, or null.

        Raises:
            UsageError: this is no mapping.
        """
        if not isinstance(self.value, Mapping):
            raise self.error("has to be a mapping")
        if self.value.get(key) is None:
            return None
        return Node(value=self.value[key], line=self._line(key), file=self.file)

    def at(self, *keys: str) -> "Node | None":
        """The value at the end of a way."""
        node: Node | None = self
        for key in keys:
            node = None if node is None else node.get(key)
        return node

    def members(self) -> Iterator[tuple[str, "Node"]]:
        """Keys and values of a mapping; the line is that of the key.

        Raises:
            UsageError: this is no mapping.
        """
        if not isinstance(self.value, Mapping):
            raise self.error("has to be a mapping")
        for key, value in self.value.items():
            yield str(key), Node(value=value, line=self._line(key), file=self.file)

    def items(self) -> Iterator["Node"]:
        """The values of a list.

        Raises:
            UsageError: this is no list.
        """
        if isinstance(self.value, str) or not isinstance(self.value, Sequence):
            raise self.error("has to be a list")
        for index, value in enumerate(self.value):
            yield Node(value=value, line=self._line(index), file=self.file)

    def entries(self) -> tuple[Entry, ...]:
        """The values of a list, as words."""
        return tuple(item.entry() for item in self.items())

    def entry(self) -> Entry:
        return Entry(text=str(self.value), line=self.line)

    def is_true(self) -> bool:
        """Whether it is true; Compose takes the word in quotes, too."""
        return str(self.value).lower() == "true"

    def error(self, words: str) -> UsageError:
        """An error at this place, to be raised."""
        return UsageError(f"{self.file}:{self.line}: {words}")

    def _line(self, key: object) -> int:
        """Where a key or an item stands; what a merge key brought in stands where the mapping does."""
        positions = getattr(getattr(self.value, "lc", None), "data", None) or {}
        position = positions.get(key)
        return self.line if position is None else position[0] + 1


def entries(node: Node | None) -> tuple[Entry, ...]:
    """The words of a list that may be missing."""
    return () if node is None else node.entries()


def is_true(node: Node | None) -> bool:
    return node is not None and node.is_true()
