"""What launches have left on the host, as the host tells it, and not the engine under test."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from docker import APIClient
from docker.utils import kwargs_from_env

from capmin.engines import EngineOptions
from capmin.engines.docker.owner import CAMPAIGN


def remains(options: EngineOptions) -> frozenset[str]:
    """Containers, mounts, control groups and files that belong to a campaign or its state directory."""
    return frozenset((*_containers(options), *_mounts(options), *_cgroups(options), *_files(options)))


def _containers(options: EngineOptions) -> Iterator[str]:
    if options.docker_host is None and "DOCKER_HOST" not in os.environ:
        return
    settings = kwargs_from_env() | ({"base_url": options.docker_host} if options.docker_host else {})
    client = APIClient(version="auto", **settings)
    try:
        for container in client.containers(all=True, filters={"label": f"{CAMPAIGN}={options.campaign}"}):
            yield f"container {container['Id']}"
    finally:
        client.close()


def _mounts(options: EngineOptions) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if str(options.state_dir) in line:
            yield f"mount {line.split()[4]}"


def _cgroups(options: EngineOptions) -> Iterator[str]:
    """Those of the state directories there are: a session's has that of its directory in its name."""
    top = Path("/sys/fs/cgroup")
    for hierarchy in (top, *top.glob("*/")):
        for directory in options.state_dir.iterdir():
            # os.walk, not glob: that raises when what it looks into goes meanwhile (Python 3.11).
            root = hierarchy / f"capmin-{directory.name}"
            below = next(os.walk(root), (root, [], []))[1]
            yield from (f"cgroup {root / name}" for name in below)


def _files(options: EngineOptions) -> Iterator[str]:
    for folder, _, names in os.walk(options.state_dir):
        with suppress(FileNotFoundError):
            yield from (f"file {folder}/{name}" for name in names)
