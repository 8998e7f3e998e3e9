"""An explanation as values."""

from dataclasses import dataclass
from enum import StrEnum

from capmin.privileges import Capability, Privilege


class Fate(StrEnum):
    """What became of a privilege."""

    NEEDED = "needed"
    """Kept: a launch without it failed."""

    STORMY = "kept against a storm"
    """Kept: without it the tests pass, but badly."""

    UNPROVEN = "kept without proof"

    HARMLESS = "used, harmless when denied"
    """Dropped: it was denied in a launch that passed."""

    DISPENSABLE = "used, passed without"
    """Dropped: launches used it, and one that lacked it passed without asking."""

    ELSEWHERE = "asked for only in launches that failed"

    UNUSED = "never used"

    UNKNOWN = "dropped, use not observed"

    FLOOR = "always granted, for the runtime"

    WITHHELD = "never granted"
    """Neither Docker's default nor this search grants it."""


KEPT = (Fate.NEEDED, Fate.STORMY, Fate.UNPROVEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a privilege is kept or not.

    ``scenario``, ``program``, ``call`` and ``answer`` (an errno's name) are where it was denied ``count``
    times, each None where it is not known; ``said`` is the program's own line then, empty where it said
    nothing.
    ``trial`` is the number of the trial that shows it, and ``outcome`` what came of that. ``note`` is what
    else is known where nobody was seen asking.
    """

    privilege: Privilege
    fate: Fate
    trial: int | None = None
    outcome: str = ""
    scenario: str | None = None
    program: str | None = None
    call: str | None = None
    answer: str | None = None
    count: int | None = None
    said: str = ""
    note: str = ""

    @property
    def is_kept(self) -> bool:
        return self.fate in KEPT

    @property
    def is_capability(self) -> bool:
        return self.privilege.startswith("CAP_")


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What became of every privilege; ``unknown`` is what the records cannot tell, a sentence each."""

    image: str
    digest: str
    reasons: tuple[Reason, ...]
    alternatives: tuple[frozenset[Capability], ...] = ()
    unknown: tuple[str, ...] = ()

    def of(self, *fates: Fate) -> tuple[Reason, ...]:
        """The reasons with one of these fates, in their order."""
        return tuple(reason for reason in self.reasons if reason.fate in fates)
