"""A TOML file that knows on which line each of its keys stands."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from capmin.errors import UsageError

KeyPath = tuple[str | int, ...]
_Table = TypeVar("_Table", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    path: Path
    text: str
    tables: dict[str, Any]

    def parse(self, table: type[_Table]) -> _Table:
        """The document as that table.

        Raises:
            UsageError: it is not one; the message tells of the first key that is wrong.
        """
        try:
            return table.model_validate(self.tables)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise self.error(problems[0]["loc"], _words(problems[0], table) + more) from error

    def error(self, key: KeyPath, words: str) -> UsageError:
        """An error at a key, to be raised."""
        line = line_of(self.text, key)
        return UsageError(f"{self.path}:{line}: {spelled(key)}{': ' if key else ''}{words}")


def read_document(path: Path) -> Document:
    """Read a TOML file.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    try:
        return Document(path=path, text=text, tables=tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error


def line_of(text: str, key: KeyPath) -> int:
    """The line (from 1) on which a key, or the last part of it that is there, first stands.

    tomllib keeps no positions; but the shortest beginning of the document that has a key ends with that
    key's value, and the beginning before it ends where the key begins.
    """
    lines = text.splitlines()
    start, best, depth = 1, 1, 0
    for end in range(1, len(lines) + 1):
        try:
            tables = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value of several lines
        if (reached := _depth(tables, key)) > depth:
            best, depth = _first_with_text(lines, start), reached
        start = end + 1
    return best


def spelled(key: KeyPath) -> str:
    """``scenario[1].test``: entries count from 1, as people count."""
    words = ""
    for part in key:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return words.removeprefix(".")


def _words(problem: ErrorDetails, table: type[BaseModel]) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return f"no such key (there are {', '.join(_keys_at(table, problem['loc'][:-1]))})"
        case "missing":
            return "is missing"
        case _:
            return problem["msg"][0].lower() + problem["msg"][1:]


def _keys_at(table: type[BaseModel], key: Sequence[str | int]) -> list[str]:
    """The keys that a table of the schema has, found by the way to it."""
    schema = table.model_json_schema()
    node: dict[str, Any] = schema
    for part in key:
        node = node["items"] if isinstance(part, int) else node["properties"][part]
        node = next((option for option in node.get("anyOf", ()) if "$ref" in option), node)
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return list(node["properties"])


def _depth(tables: dict[str, Any], key: KeyPath) -> int:
    """How many parts of the key lead somewhere."""
    node: Any = tables
    for depth, part in enumerate(key):
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(key)


def _first_with_text(lines: Sequence[str], start: int) -> int:
    """From ``start`` on, the first line that is neither empty nor a comment."""
    number = start
    while not lines[number - 1].strip() or lines[number - 1].lstrip().startswith("#"):
        number += 1
    return number
