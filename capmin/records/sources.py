"""Where the records of campaigns are: directories with a result, stores, folders of many."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capmin.errors import UsageError
from capmin.result import SCHEMA
from capmin.store.columns import StoredCampaign, reading

RESULT, STORE = "result.json", "trials.sqlite"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where one campaign is: its result, if it has one, and its row in a store, if that is there."""

    name: str
    directory: Path
    result: Mapping[str, Any] | None
    store: Path | None = None
    row: int = 0


def find(path: Path) -> list[Source]:
    """Every campaign in a file or directory; of a directory that has none of its own, all further down.

    Raises:
        UsageError: a file cannot be read, or is something else.
    """
    if path.is_file():
        return [_of_result(path)] if path.suffix == ".json" else _of_store(path)
    if (path / RESULT).exists():
        return [_of_result(path / RESULT)]
    if (path / STORE).exists():
        return _of_store(path / STORE)
    directories = sorted({file.parent for name in (RESULT, STORE) for file in path.rglob(name)})
    return [
        source
        for directory in directories
        for source in _renamed(find(directory), directory.relative_to(path).as_posix())
    ]


def _renamed(sources: Sequence[Source], name: str) -> Iterator[Source]:
    for source in sources:
        yield replace(source, name=name if len(sources) == 1 else f"{name}: {source.name}")


def _of_result(file: Path) -> Source:
    result = _read_result(file)
    directory = file.parent
    alone = Source(name=directory.resolve().name, directory=directory, result=result)
    store = directory / str(result.get("files", {}).get("store", STORE))
    if not store.exists():
        return alone
    with reading(store) as reader:
        row = _matching(reader.campaigns(), result)
    return alone if row is None else replace(alone, store=store, row=row)


def _matching(campaigns: Sequence[StoredCampaign], result: Mapping[str, Any]) -> int | None:
    """The campaign of a result: a store may hold earlier ones of the same image, and later ones."""
    written = result.get("created")
    until = datetime.max.replace(tzinfo=UTC) if written is None else datetime.fromisoformat(written)
    digest = result["image"]["digest"]
    rows = [each.row for each in campaigns if each.image_digest == digest and each.created <= until]
    return rows[-1] if rows else None


def _of_store(path: Path) -> list[Source]:
    with reading(path) as reader:
        campaigns = reader.campaigns()
    names = [campaign.image_reference for campaign in campaigns]
    return [
        Source(
            name=name if names.count(name) == 1 else f"{name} #{campaign.row}",
            directory=path.parent,
            result=campaign.result,
            store=path,
            row=campaign.row,
        )
        for name, campaign in zip(names, campaigns, strict=True)
    ]


def _read_result(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"cannot read {path}: it is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"cannot read {path}: it is not a result of capmin search ({SCHEMA})")
    return document
