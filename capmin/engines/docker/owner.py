"""Labels that say whose a container is, so that those of dead processes can be told and removed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CAMPAIGN = "capmin.campaign"
OWNER = "capmin.owner"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process, told from every other one: by its host's boot, its namespace, number, and start in ticks."""

    boot: str
    namespace: int
    pid: int
    started: int

    @classmethod
    def this_process(cls) -> Self:
        pid = os.getpid()
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(pid)
        return cls(boot=_boot(), namespace=_namespace(), pid=pid, started=started)

    @classmethod
    def parse(cls, label: str) -> Self | None:
        """The owner that a label names; None where it is not one of ours."""
        try:
            boot, namespace, pid, started = label.split("/")
            return cls(boot=boot, namespace=int(namespace), pid=int(pid), started=int(started))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.started}"

    def is_dead(self) -> bool:
        """Whether the process is known to be gone; those of other hosts and namespaces are not judged."""
        here = (self.boot, self.namespace) == (_boot(), _namespace())
        return here and _started(self.pid) != self.started


def labels(campaign: str, owner: Owner, others: Mapping[str, str]) -> dict[str, str]:
    return {**others, CAMPAIGN: campaign, OWNER: str(owner)}


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc(5)); None where there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
