"""What a failing launch says about a privilege: the call that was denied, and the program's own words."""

import re
from collections.abc import Collection, Iterable

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
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)


def denied_attempt(launch: Launch, privilege: Privilege) -> Attempt | None:
    """The last denied attempt on a privilege that was observed in a launch."""
    matching = [attempt for attempt in launch.denials or () if attempt.privilege == privilege]
    return matching[-1] if matching else None


def telling_line(launch: Launch, *, call: str | None = None, usual: Collection[str] = ()) -> str:
    """The line of output that best tells why a launch failed; the runtime's words where it never started.

    ``call`` is the system call that was denied, and ``usual`` what launches that passed print
    (`usual_lines`). See `choose_line`.
    """
    if launch.refused is not None:
        return launch.refused
    return choose_line((launch.output, launch.probe_output), call=call, usual=usual)


def choose_line(outputs: Iterable[str], *, call: str | None = None, usual: Collection[str] = ()) -> str:
    """The line that best tells what went wrong, or nothing.

    What launches print that pass all the same is no reason, so such lines are left out: nginx without
    rt_sigprocmask complains, and serves. Of the others a complaint in the kernel's terms that names the call
    comes first, then any such complaint, then one that names the call, then other trouble, and of several the
    first, as it leads to the rest; at last the last line.
    """
    lines = [line.strip() for output in outputs for line in output.splitlines()]
    lines = [line for line in lines if line and without_numbers(line) not in usual]
    named = [] if call is None else [line for line in lines if _names(line, call)]
    for among, pattern in ((named, _COMPLAINT), (lines, _COMPLAINT), (named, _TROUBLE), (lines, _TROUBLE)):
        for line in among:
            if pattern.search(line):
                return line
    return lines[-1] if lines else ""


def usual_lines(outputs: Iterable[str]) -> frozenset[str]:
    """The lines in the output of launches that passed, for ``usual`` of `choose_line`."""
    return frozenset(without_numbers(line.strip()) for output in outputs for line in output.splitlines())


def without_numbers(line: str) -> str:
    """A line without what differs from run to run: times, process numbers, addresses."""
    return _NUMBER.sub("#", line)


def _names(line: str, call: str) -> bool:
    """Whether a line names a call, or the family of which it is one: fchownat and chown, openat and open."""
    words = re.findall(r"[a-z_0-9]+", line.lower())
    family = call.removeprefix("f").removesuffix("at").rstrip("0123456789")
    return call in words or (len(family) > 2 and family in words)  # noqa: PLR2004 - shorter ones are words of any text
