"""Containers and volumes of capmin processes that are no more: removed by the keeper, or the next engine.

Run as a program, ``python -m capmin.engines.docker.leftovers ADDRESS OWNER``, it removes those of one owner:
what the keeper does when that process has died.
"""

import logging
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from docker.errors import APIError, NotFound

from capmin.engines.docker.container import remove
from capmin.engines.docker.daemon import Daemon, connect
from capmin.engines.docker.faults import daemon_faults
from capmin.engines.docker.owner import OWNER, Owner

_log = logging.getLogger(__name__)

_UNDER_WAY_S = 1.0
"""A daemon still carries out what the dead process had asked for last."""


def remove_of_the_dead(daemon: Daemon) -> None:
    """Remove what belongs to owners that are known to be gone."""
    for identity, owner, created_s in _found(daemon, OWNER):
        if owner.is_dead() or (daemon.is_local and created_s < _boot_time_s()):
            _log.info("removing container %s, left behind by process %d", identity[:12], owner.pid)
            remove(daemon, identity)
    for name, owner in _volumes(daemon, OWNER):
        if owner.is_dead():
            _remove_unused_volume(daemon, name)


def remove_of(daemon: Daemon, owner: str) -> None:
    """Remove every container and volume of one owner, those that it is still about to get included."""
    deadline = time.monotonic() + _UNDER_WAY_S
    while True:
        for identity, _, _ in _found(daemon, f"{OWNER}={owner}"):
            remove(daemon, identity)
        for name, _ in _volumes(daemon, f"{OWNER}={owner}"):
            _remove_unused_volume(daemon, name)
        if time.monotonic() > deadline:
            return
        time.sleep(_UNDER_WAY_S / 4)


def remove_volume(daemon: Daemon, name: str) -> None:
    """Remove a volume; nothing happens where there is none.

    Raises:
        EngineError: it is left behind: a container still uses it.
    """
    with daemon_faults(daemon.address), suppress(NotFound):
        daemon.client.remove_volume(name, force=True)


def _remove_unused_volume(daemon: Daemon, name: str) -> None:
    """Remove a volume, or leave it to the next start: another process may be removing its container."""
    with daemon_faults(daemon.address), suppress(NotFound):
        try:
            daemon.client.remove_volume(name, force=True)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            _log.info("volume %s, left behind by a dead process, is still in use", name)


def _volumes(daemon: Daemon, label: str) -> list[tuple[str, Owner]]:
    """Name and owner of the volumes with that label."""
    with daemon_faults(daemon.address):
        found = daemon.client.volumes(filters={"label": label})["Volumes"] or ()
    owners = ((entry["Name"], Owner.parse(entry["Labels"][OWNER])) for entry in found)
    return [(name, owner) for name, owner in owners if owner is not None]


def _found(daemon: Daemon, label: str) -> list[tuple[str, Owner, int]]:
    """ID, owner and time of creation of the containers with that label."""
    with daemon_faults(daemon.address):
        found = daemon.client.containers(all=True, filters={"label": label})
    owners = ((entry, Owner.parse(entry["Labels"][OWNER])) for entry in found)
    return [(entry["Id"], owner, entry["Created"]) for entry, owner in owners if owner is not None]


def _boot_time_s() -> int:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    remove_of(connect(sys.argv[1]), sys.argv[2])
