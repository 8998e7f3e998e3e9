"""The mounts of a Compose override, in a real project of Docker Compose.

- A volume that the tests had read-only is read-only in the project too, where compose.yaml had it writable.
- It is the same volume: what is in it is there, also at a path with a dollar in it.
- The rest stays writable.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capmin.emit import file_name, write_all
from capmin.engines import Engine
from capmin.engines.docker import DockerEngine
from capmin.engines.rootfs import RootfsCache
from capmin.mounting import MountKind, ServiceMount
from capmin.profile import Profile, Strictness
from tests.contract.images import contract_image
from tests.debian_programs import program_of

PLACE = "/srv/a $HOME"
FOUND = Profile.from_result(json.loads(Path(__file__).with_name("chown_result.json").read_text()))
PROFILE = replace(
    FOUND.at(Strictness.OBSERVED),
    name="contract",
    mounts=(
        ServiceMount(kind=MountKind.TMPFS, target="/scratch"),
        ServiceMount(kind=MountKind.VOLUME, target=PLACE, source="images", read_only=True),
    ),
)

Compose = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def compose(open_real_engine: Callable[[str], Engine], cache_dir: Path, tmp_path: Path) -> Iterator[Compose]:
    """Docker Compose on a project of one service with a volume; the project is gone afterwards."""
    engine = open_real_engine("docker")
    assert isinstance(engine, DockerEngine)
    with RootfsCache(cache_dir) as cache:
        image = engine.image(contract_image(cache)).handle
    program = program_of("docker-compose", "usr/libexec/docker/cli-plugins/docker-compose", cache_dir)
    service = {"image": image, "network_mode": "none", "volumes": ["images:/srv/a $$HOME"]}
    document: dict[str, Any] = {"services": {"contract": service}, "volumes": {"images": {}}}
    (tmp_path / "compose.yaml").write_text(json.dumps(document))
    project = ("--project-name", f"capmin-{uuid.uuid4().hex[:8]}", "--project-directory", tmp_path)

    def run(*words: str, files: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        options = [option for name in files for option in ("--file", tmp_path / name)]
        return subprocess.run(
            [program, *project, *options, *words],
            env={**os.environ, "DOCKER_HOST": engine.address},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    yield run
    assert run("down", "--volumes", "--timeout", "0", files=("compose.yaml",)).returncode == 0


@pytest.mark.engine("docker")
def test_a_mount_becomes_read_only_and_keeps_its_data(compose: Compose, tmp_path: Path) -> None:
    write_all(PROFILE, tmp_path)
    once = ("run", "--rm", "-T", "contract", "sh", "-c")
    filled = compose(*once, f"echo kept >'{PLACE}/page'", files=("compose.yaml",))
    assert filled.returncode == 0, filled.stderr
    both = ("compose.yaml", file_name("compose", PROFILE.strictness))
    read = compose(*once, f"cat '{PLACE}/page' && echo x >/scratch/page && echo done", files=both)
    assert (read.returncode, read.stdout) == (0, "kept\ndone\n"), read.stderr
    refused = compose(*once, f"echo x >'{PLACE}/page'", files=both)
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stdout + refused.stderr
