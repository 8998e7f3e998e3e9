"""``capmin diff``: what a new version needs more or less."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from capmin.cli.options import format_option
from capmin.cli.terminal import printable
from capmin.difference import Change, Difference, KindDifference, difference
from capmin.recall import read_result

DIFFERENT = 1


@click.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--exit-code", is_flag=True, help="End with 1 where the new one needs more or less, as git diff."
)
@format_option
def command(*, old: Path, new: Path, exit_code: bool, form: str) -> int:
    """Tell what a new version needs more or less than the old one.

    OLD and NEW are results: output directories of capmin search, or the result.json in them.

    \b
    Example:
      capmin diff results/nginx-1.28 results/nginx-1.29 --exit-code
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    found = difference(read_result(old), read_result(new))
    click.echo(_json(found, old, new) if form == "json" else printable(_text(found, old, new)))
    return DIFFERENT if exit_code and found else 0


def _text(found: Difference, old: Path, new: Path) -> str:
    lines = [f"{old} -> {new}"]
    lines += [
        f"  {name:<13} {before or '-'} -> {after or '-'}"
        for name, (before, after) in found.conditions.items()
    ]
    lines += _kind("capabilities", found.capabilities)
    lines += _kind("system calls", found.syscalls)
    return "\n".join(lines)


def _kind(name: str, found: KindDifference | None) -> list[str]:
    if found is None:
        return [f"  {name:<13} not searched in both"]
    if not found:
        return [f"  {name:<13} the same {found.unchanged}"]
    counts = f"{len(found.added)} more, {len(found.removed)} fewer, {found.unchanged} the same"
    return [f"  {name:<13} {counts}", *_changes("+", found.added), *_changes("-", found.removed)]


def _changes(sign: str, changes: Iterable[Change]) -> list[str]:
    return [f"    {sign} {change.privilege:<20} {_why(sign, change)}".rstrip() for change in changes]


def _why(sign: str, change: Change) -> str:
    if sign == "+":
        known = {True: "used before, needed now", False: "not used before", None: ""}
    else:
        known = {True: "still used, but not needed", False: "no longer used", None: ""}
    words = [known[change.used_by_other]]
    if change.denied not in (None, change.privilege):
        words.append(f"in {change.denied}")
    if sign == "+" and change.evidence:
        words.append(change.evidence)
    return "; ".join(word for word in words if word)


def _json(found: Difference, old: Path, new: Path) -> str:
    document = {
        "schema": "capmin/difference/1",
        "old": str(old),
        "new": str(new),
        "same": not found,
        "conditions": {
            name: {"old": before, "new": after} for name, (before, after) in found.conditions.items()
        },
        "capabilities": _kind_json(found.capabilities),
        "syscalls": _kind_json(found.syscalls),
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _kind_json(found: KindDifference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "added": [_change_json(change) for change in found.added],
        "removed": [_change_json(change) for change in found.removed],
        "unchanged": found.unchanged,
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "privilege": change.privilege,
        "used_by_other": change.used_by_other,
        "denied": change.denied,
        "evidence": change.evidence,
    }
