"""The processes of a container on this machine, read from its control group."""

from capmin.engines import Process, keeper
from capmin.observe.status import process_of


def processes_in(cgroup: str) -> tuple[Process, ...]:
    """What runs in a control group, a path without leading slash; those that end meanwhile are left out."""
    found = ((pid, process_of(pid)) for pid in keeper.pids_in_cgroup(cgroup))
    return tuple(
        Process(pid=pid, parent=facts.parent, uid=facts.uid, name=facts.name)
        for pid, facts in found
        if facts is not None
    )
