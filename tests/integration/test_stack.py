"""The imageboard under the profiles that were found for its three services, started by one Compose file.

- What `capmin workload compose` writes is enough for the board's own tests to pass on Docker, also after its
  database was restarted; and the kernel confirms capabilities and filter of each service.
- With one capability less in one result the same tests fail: so it is the file that decides.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from capmin.engines import Engine
from capmin.engines.docker import DockerEngine
from capmin.observe.status import granted_of
from capmin.privileges.capability import parse_capabilities
from tests.debian_programs import program_of
from tests.integration.searching import wait_until

ROOT = Path(__file__).parents[2]
SERVICES = ("board-mariadb", "board-node", "board-nginx")
FOLDERS = tuple(ROOT / "workloads" / name for name in SERVICES)
LIMIT_S = 300
READY_S = 200.0
"""Twenty times what it takes on an idle machine."""
ANSWERS = ["posts", "replies", "tripcode", "image", "static", "index"]
FILTERED = 2
"""SECCOMP_MODE_FILTER (linux/seccomp.h), as /proc/PID/status has it."""

pytestmark = [pytest.mark.engine("docker-modern"), pytest.mark.timeout(1800), pytest.mark.long]


def run(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        argv,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Board:
    """The stack that one directory describes, under a project name of its own."""

    address: str
    client: APIClient
    docker_compose: Path
    directory: Path
    project: str

    def compose(self, *words: str) -> str:
        argv = (self.docker_compose, "--project-name", self.project, "--project-directory", self.directory)
        return run(*argv, *words, DOCKER_HOST=self.address)

    def passes(self, limit_s: float) -> bool:
        """Whether the board's own tests pass in time."""
        deadline = time.monotonic() + limit_s
        while not (passed := self._tests() == ANSWERS) and time.monotonic() < deadline:
            time.sleep(0.5)
        return passed

    def inspect(self, service: str) -> dict[str, Any]:
        labels = (f"project={self.project}", f"service={service}")
        found = self.client.containers(filters={"label": [f"com.docker.compose.{each}" for each in labels]})
        document: dict[str, Any] = self.client.inspect_container(found[0]["Id"])
        return document

    def _tests(self) -> list[str]:
        """What they print where they pass: beside the stack, with Docker's usual privileges."""
        container = self.client.create_container(
            "capmin/board-node:latest",
            ["/srv/board/test.js", "https://nginx", "/images/"],
            entrypoint=["node"],
            host_config=self.client.create_host_config(network_mode=f"{self.project}_default"),
        )
        try:
            self.client.start(container)
            code = self.client.wait(container, timeout=LIMIT_S)["StatusCode"]
            words: list[str] = self.client.logs(container, stderr=False).decode().split()
            return words if code == 0 else []
        finally:
            self.client.remove_container(container, v=True, force=True)


Start = Callable[[Path], AbstractContextManager[Board]]


@pytest.fixture(scope="module")
def address(open_real_engine: Callable[[str], Engine]) -> str:
    engine = open_real_engine("docker-modern")
    assert isinstance(engine, DockerEngine)
    return engine.address


@pytest.fixture(scope="module")
def capmin(address: str, cache_dir: Path) -> Callable[..., str]:
    """The program, with the images of the stack in the daemon."""

    def program(*words: str | Path) -> str:
        return run(
            sys.executable, "-m", "capmin", *words, DOCKER_HOST=address, CAPMIN_CACHE_DIR=str(cache_dir)
        )

    program("workload", "build", "--load", *FOLDERS)
    return program


@pytest.fixture
def start(capmin: Callable[..., str], address: str, cache_dir: Path, tmp_path: Path) -> Start:
    """Starts the stack under the profiles of a folder of results."""
    found = program_of("docker-compose", "usr/libexec/docker/cli-plugins/docker-compose", cache_dir)

    @contextmanager
    def started(results: Path) -> Iterator[Board]:
        directory = tmp_path / "stack"
        capmin("workload", "compose", *FOLDERS, "--results", results, "-o", directory)
        with closing(APIClient(base_url=address, version="auto")) as client:
            board = Board(
                address=address,
                client=client,
                docker_compose=found,
                directory=directory,
                project=f"capmin-{uuid.uuid4().hex[:8]}",
            )
            try:
                board.compose("up", "--detach")
                yield board
            finally:
                board.compose("down", "--volumes", "--timeout=5")

    return started


def test_the_board_works_under_all_profiles_at_once(start: Start) -> None:
    with start(ROOT / "results") as board:
        assert board.passes(READY_S), board.compose("logs")
        for service in SERVICES:
            document = board.inspect(service)
            granted = granted_of(document["State"]["Pid"])
            assert granted is not None
            assert granted.bounding == parse_capabilities(",".join(needed(service)))
            assert granted.seccomp_mode == FILTERED
            assert json.loads(filter_of(document)) == json.loads(
                (board.directory / f"{service}.seccomp.json").read_text()
            )
        read_only = {m["Destination"] for m in board.inspect("board-nginx")["Mounts"] if not m["RW"]}
        assert read_only == {"/srv/images"}
        board.compose("restart", "board-mariadb")
        assert board.passes(READY_S), board.compose("logs")


def test_the_file_decides(start: Start, tmp_path: Path) -> None:
    """nginx without CAP_SETUID starts, and answers nobody."""
    results = tmp_path / "results"
    for service in SERVICES:
        shutil.copytree(ROOT / "results" / service, results / service)
    file = results / "board-nginx" / "result.json"
    document = json.loads(file.read_text())
    document["capabilities"]["required"].remove("CAP_SETUID")
    file.write_text(json.dumps(document))
    with start(results) as board:
        wait_until(
            lambda: "setuid(33) failed (1: Operation not permitted)" in board.compose("logs", "board-nginx"),
            READY_S,
        )
        assert not board.passes(3.0)


def needed(service: str) -> list[str]:
    document = json.loads((ROOT / "workloads" / service / "expected.json").read_text())
    capabilities: list[str] = document["capabilities"]
    return capabilities


def filter_of(document: dict[str, Any]) -> str:
    options: list[str] = document["HostConfig"]["SecurityOpt"]
    return next(option.removeprefix("seccomp=") for option in options if option.startswith("seccomp="))
