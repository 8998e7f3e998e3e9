"""What the kernel tells of a task: its privileges and its name (proc(5))."""

from dataclasses import dataclass
from pathlib import Path

from capmin.privileges import Capability
from capmin.privileges.capability import from_mask
from capmin.trial import Granted

RUNTIME_PREFIX = "runc:["
"""How runc's init and its threads are named until they have become the program (``runc:[2:INIT]``)."""


def granted_of(pid: int) -> Granted | None:
    """The privileges of a task, by its number as seen from here; None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return Granted(
        bounding=from_mask(int(fields["CapBnd"], 16)),
        effective=from_mask(int(fields["CapEff"], 16)),
        seccomp_mode=int(fields["Seccomp"]),
        no_new_privileges=fields["NoNewPrivs"].strip() == "1",
    )


def program_of(pid: int) -> str:
    """The name of a task, at most 15 bytes, which the program can choose itself; "" where it is gone."""
    try:
        name = Path(f"/proc/{pid}/comm").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return name.removesuffix(b"\n").decode(errors="replace")


def leader_of(pid: int) -> int:
    """The number of the process that a thread belongs to; its own where it is gone."""
    try:
        # The program's name stands in it, which may hold bytes of any kind but a newline.
        status = Path(f"/proc/{pid}/status").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return pid
    return int(next(line for line in status.split(b"\n") if line.startswith(b"Tgid:")).split()[1])


def is_alive(pid: int) -> bool:
    """Whether a process has a thread that runs; its first may have ended before the others."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        return state not in b"ZX" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def ceiling_of(pid: int) -> frozenset[Capability]:
    """The capabilities that a task can hand on to a container: those that it has and may keep.

    The kernel has already cut both sets to the capabilities that it knows itself.
    """
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return from_mask(int(fields["CapBnd"], 16) & int(fields["CapPrm"], 16))


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessFacts:
    """A process's parent, effective user and name."""

    parent: int
    uid: int
    name: str


def process_of(pid: int) -> ProcessFacts | None:
    """The parent, the user and the name of a process; None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    uid = dict(line.split(":", 1) for line in status.splitlines())["Uid"].split()[1]
    # The name stands in parentheses and may hold some itself.
    head, _, rest = stat.rpartition(b")")
    return ProcessFacts(
        parent=int(rest.split()[1]), uid=int(uid), name=head.partition(b"(")[2].decode(errors="replace")
    )
