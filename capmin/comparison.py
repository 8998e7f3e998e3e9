"""What must stay the same, learned from several texts of the same thing: the differential oracle.

A `Template` is what texts have in common. Within lines, tokens that differ are left open; where the number
of lines differs, only the lines are kept that all have, in their order.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Self

# What varies in principle, though a handful of launches within a second or two may agree on it.
_ALWAYS_VARYING = re.compile(
    r"""
    [A-Z][a-z]{2},\ \d\d\ [A-Z][a-z]{2}\ \d{4}\ \d\d:\d\d:\d\d\ GMT              # RFC 9110, HTTP-date
    | (?:[A-Z][a-z]{2}\ )?[A-Z][a-z]{2}\ [ \d]\d\ \d\d:\d\d:\d\d(?:[.\d]*)(?:\ \d{4})?  # asctime, syslog
    | \d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?)?(?:\ ?(?:Z|UTC|[+-]\d\d:?\d\d))?
    | \d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\ [+-]\d{4}                          # access logs
    | \b\d\d:\d\d:\d\d(?:[.,]\d+)?\b
    | \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b            # UUID
    | \b1[6-9]\d{8}(?:[.]?\d+)?\b                                                 # seconds since 1970
    """,
    re.VERBOSE,
)
# Numbers with points, colons and the like are one: where a part of them varies, the rest may another time.
_TOKEN = re.compile(r"\w+(?:[.,:/-]\w+)*|[^\w\s]|\s+")
_OPEN = "\0"
"""Stands for a token that may be anything; no text that is compared has it."""

SHOWN_CHARACTERS = 80

Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """What several texts have in common; ``gaps`` where there may be other lines in between."""

    lines: tuple[Line, ...]
    gaps: bool

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Self:
        """From one text at least."""
        first, *others = texts
        template = cls(lines=tuple(_lines(first)), gaps=False)
        for other in others:
            template = template.widened(other)
        return template

    def widened(self, text: str) -> Self:
        """What it has in common with one more text."""
        lines = _lines(text)
        if self.gaps or len(lines) != len(self.lines):
            return type(self)(lines=tuple(_common_lines(self.lines, lines)), gaps=True)
        return type(self)(lines=tuple(map(_common, self.lines, lines)), gaps=False)

    def difference(self, text: str) -> str | None:
        """The first thing that a text has otherwise, in words for people; None where it has all."""
        lines = _lines(text)
        if self.gaps:
            return self._missing_line(lines)
        for number, (expected, line) in enumerate(zip(self.lines, lines, strict=False), 1):
            if not _matches(expected, line):
                return f"line {number} is {_shown(line)} instead of {_shown(expected)}"
        if len(lines) < len(self.lines):
            return f"line {len(lines) + 1} is missing: {_shown(self.lines[len(lines)])}"
        if len(lines) > len(self.lines):
            return f"there is a line too many: {_shown(lines[len(self.lines)])}"
        return None

    def _missing_line(self, lines: Sequence[Line]) -> str | None:
        remaining = iter(lines)
        for expected in self.lines:
            if not any(_matches(expected, line) for line in remaining):
                return f"a line is missing: {_shown(expected)}"
        return None if lines else "it is empty"


def _steady(text: str) -> str:
    return _ALWAYS_VARYING.sub("<time>", text.replace(_OPEN, ""))


def _lines(text: str) -> list[Line]:
    return [tuple(_TOKEN.findall(line)) for line in _steady(text).splitlines()]


def _common(line: Line, other: Line) -> Line:
    """One line for two: tokens that differ are open, and all of it where they differ in number."""
    if len(line) != len(other):
        return (_OPEN,)
    return tuple(token if token == another else _OPEN for token, another in zip(line, other, strict=True))


def _common_lines(lines: Sequence[Line], others: Sequence[Line]) -> list[Line]:
    """The lines that both have, in order; those with open tokens have to fit."""
    fitting = [next((line for line in lines if _matches(line, other)), other) for other in others]
    blocks = SequenceMatcher(None, lines, fitting, autojunk=False).get_matching_blocks()
    return [line for block in blocks for line in lines[block.a : block.a + block.size]]


def _matches(expected: Line, line: Line) -> bool:
    if expected == (_OPEN,):
        return True
    return len(expected) == len(line) and all(
        token in (_OPEN, other) for token, other in zip(expected, line, strict=True)
    )


def _shown(line: Line) -> str:
    text = "".join(line).replace(_OPEN, "<any>")
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}...")
