"""Trials as data frames, to Parquet and CSV and back. The names and units of columns live here only.

Sets (of capabilities, of system calls) are their members sorted and separated by spaces, which survives
every format and reads well; `members` takes them apart. A set that does not apply, such as the system calls
granted where the runtime's default filter did, is missing (NA), which the empty text is not.
"""

from capmin.frames.build import (
    attempts_frame,
    certificate_frame,
    denials_frame,
    launches_frame,
    members,
    trials_frame,
)
from capmin.frames.columns import ATTEMPTS, CERTIFICATE, LAUNCHES, TRIALS, Column, Table, check, concat
from capmin.frames.files import from_csv, from_parquet, to_csv, to_parquet

__all__ = [
    "ATTEMPTS",
    "CERTIFICATE",
    "LAUNCHES",
    "TRIALS",
    "Column",
    "Table",
    "attempts_frame",
    "certificate_frame",
    "check",
    "concat",
    "denials_frame",
    "from_csv",
    "from_parquet",
    "launches_frame",
    "members",
    "to_csv",
    "to_parquet",
    "trials_frame",
]
