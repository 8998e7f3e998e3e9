"""An explanation as text, Markdown or JSON."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from textwrap import fill
from types import MappingProxyType

from capmin.explain.model import KEPT, Explanation, Fate, Reason

SCHEMA = "capmin/explanation/1"

_WIDTH = 100

_LISTED = (Fate.HARMLESS, Fate.DISPENSABLE, Fate.ELSEWHERE, Fate.FLOOR)
"""Dropped privileges with something to tell of each; of the others the names do."""


def text(explanation: Explanation) -> str:
    """For a terminal."""
    parts = [f"{explanation.image} ({explanation.digest[:19]})"]
    for fate in Fate:
        reasons = explanation.of(fate)
        if reasons:
            parts += ["", f"{fate.value} ({len(reasons)})", *_entries(fate, reasons)]
    parts += _others(explanation)
    return "\n".join(parts) + "\n"


def markdown(explanation: Explanation) -> str:
    """For a document: tables of what is kept and what is not."""
    parts = [f"# Why {_code(explanation.image)} needs what it needs", ""]
    kept = explanation.of(*KEPT)
    if kept:
        parts += ["| kept | in | by | fails with | proven by |", "|---|---|---|---|---|"]
        parts += [_row(_kept_cells(reason)) for reason in kept]
    told = explanation.of(*_LISTED)
    if told:
        parts += ["", "| not kept | why | by | shown by |", "|---|---|---|---|"]
        parts += [_row(_dropped_cells(reason)) for reason in told]
    for fate in (Fate.UNUSED, Fate.UNKNOWN, Fate.WITHHELD):
        names = [_code(reason.privilege) for reason in explanation.of(fate)]
        if names:
            parts += ["", f"{fate.value.capitalize()} ({len(names)}): {', '.join(names)}."]
    parts += _others(explanation)
    return "\n".join(parts) + "\n"


def as_json(explanation: Explanation) -> str:
    """One document; what is not known is null."""
    document = {
        "schema": SCHEMA,
        "image": {"reference": explanation.image, "digest": explanation.digest},
        "privileges": [
            {**asdict(reason), "fate": reason.fate.value, "kept": reason.is_kept}
            for reason in explanation.reasons
        ],
        "alternatives": [sorted(names) for names in explanation.alternatives],
        "unknown": list(explanation.unknown),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


RENDERERS: Mapping[str, Callable[[Explanation], str]] = MappingProxyType(
    {"text": text, "markdown": markdown, "json": as_json}
)


def _entries(fate: Fate, reasons: Sequence[Reason]) -> Iterator[str]:
    if fate in KEPT or fate in _LISTED:
        for reason in reasons:
            yield f"  {reason.privilege:24}{_sentence(reason)}"
            if reason.said:
                yield f"  {'':24}  | {reason.said}"
    else:
        names = " ".join(reason.privilege for reason in reasons)
        indent = "  "
        yield fill(names, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _sentence(reason: Reason) -> str:
    words = [*_by_whom(reason)]
    if reason.trial is not None:
        words.append(f"trial {reason.trial}: {reason.outcome}" if reason.outcome else f"trial {reason.trial}")
    if reason.is_kept and reason.scenario is not None:
        words.append(f"scenario {reason.scenario!r}")
    return "; ".join(words)


def _by_whom(reason: Reason) -> Iterator[str]:
    """Which program asked in which call, how often, and what it was answered with."""
    if reason.call is None and reason.program is None:
        if reason.note:
            yield reason.note
        return
    asker = f"{reason.program or 'a program not seen'}, in {reason.call or 'a call not seen'}()"
    times = "" if reason.count in (None, 1) else f" {reason.count} times"
    answer = "" if reason.answer is None else f", denied with {reason.answer}{times}"
    yield asker + answer


def _others(explanation: Explanation) -> Iterator[str]:
    if explanation.alternatives:
        yield ""
        yield "Instead, these capabilities do as well:"
        yield from (f"  {' '.join(sorted(names)) or 'none'}" for names in explanation.alternatives)
    if explanation.unknown:
        yield ""
        yield from (fill(sentence, _WIDTH) for sentence in explanation.unknown)


def _kept_cells(reason: Reason) -> Iterable[str]:
    yield _code(reason.privilege)
    yield _code(reason.call) if reason.call else reason.note or "not seen"
    yield _code(reason.program) if reason.program else "not seen"
    yield _code(reason.said) if reason.said else "prints nothing"
    yield "nothing" if reason.trial is None else f"trial {reason.trial}: {_plain(reason.outcome)}"


def _dropped_cells(reason: Reason) -> Iterable[str]:
    yield _code(reason.privilege)
    yield reason.fate.value
    yield _code(reason.program) if reason.program else "not seen"
    yield "" if reason.trial is None else f"trial {reason.trial}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(words: str) -> str:
    """Words of others as code: nothing in them is taken for Markdown."""
    return f"`{_plain(words).replace('`', chr(39))}`"


def _plain(words: str) -> str:
    """On one line of a table."""
    return " ".join(words.split()).replace("|", "\\|")
