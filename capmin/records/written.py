"""What is in the files beside a store: a committed result may come without its launches."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from capmin import frames
from capmin.privileges import Capability, Privilege, Syscall
from capmin.records.sources import Source
from capmin.result import CertificateEntry


def trials(source: Source) -> pd.DataFrame | None:
    """The trials as Parquet or CSV, if there are such files."""
    files = {} if source.result is None else source.result.get("files", {})
    parquet = source.directory / str(files.get("trials", "trials.parquet"))
    if parquet.exists():
        return frames.from_parquet(parquet, frames.TRIALS)
    csv = source.directory / str(files.get("trials_csv", "trials.csv"))
    return frames.from_csv(csv, frames.TRIALS) if csv.exists() else None


def certificate(result: Mapping[str, Any]) -> Iterator[CertificateEntry]:
    """The certificate in a result document."""
    for entry in result["certificate"]:
        denied = entry["denied"]
        yield CertificateEntry(
            privilege=as_privilege(entry["privilege"]),
            trial=entry["trial"],
            denied=None if denied is None else Syscall(denied),
            evidence=entry["evidence"],
        )


def as_privilege(name: str) -> Privilege:
    """A name of either kind: its spelling tells."""
    return Capability(name) if name.startswith("CAP_") else Syscall(name)
