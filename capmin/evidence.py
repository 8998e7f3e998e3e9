"""What a failing launch says about a privilege: the call that was denied, and the program's own words."""

import re

from capmin.privileges import Privilege
from capmin.trial import Attempt, Launch

# How programs report EPERM, EACCES and ENOSYS, in the C library's words and in general.
_COMPLAINT = re.compile(
    r"not permitted|permission denied|function not implemented|\bE(PERM|ACCES|NOSYS)\b",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(failed|failure|error|fatal|cannot|can't|unable|emerg|panic|denied)\b", re.IGNORECASE
)


def denied_attempt(launch: Launch, privilege: Privilege) -> Attempt | None:
    """The last denied attempt on a privilege that was observed in a launch."""
    matching = [attempt for attempt in launch.denials or () if attempt.privilege == privilege]
    return matching[-1] if matching else None


def telling_line(launch: Launch) -> str:
    """The line of output that best tells why a launch failed; the runtime's words where it never started.

    A complaint in the kernel's terms comes before any other trouble, and the first of several before those
    that it leads to; otherwise the last line.
    """
    if launch.refused is not None:
        return launch.refused
    lines = [line.strip() for text in (launch.output, launch.probe_output) for line in text.splitlines()]
    lines = [line for line in lines if line]
    for pattern in (_COMPLAINT, _TROUBLE):
        for line in lines:
            if pattern.search(line):
                return line
    return lines[-1] if lines else ""
