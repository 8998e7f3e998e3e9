"""Runs `capmin search` as a user does, and looks for what it leaves behind."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from docker import APIClient

from capmin.cli import main
from capmin.engines import EngineOptions
from capmin.engines.docker.owner import OWNER, Owner
from capmin.store import Store
from capmin.trial import Trial
from tests.contract.remains import remains

NOWHERE = "unix:///nowhere.sock"
"""No daemon: runc confirms what runc has searched, which is quicker by far."""

LIMIT_S = 240.0
GONE_S = 120.0
"""What a killed search takes with it is gone after this long, on a busy machine too."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search that has ended."""

    code: int
    stdout: str
    stderr: str
    output: Path

    @cached_property
    def result(self) -> dict[str, Any]:
        """What is in result.json; a search that was to succeed tells here why it did not."""
        assert self.code == 0, self.stderr
        return self.written

    @property
    def written(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.output / "result.json").read_text())
        return document

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Those of the last campaign on record."""
        with Store(self.output / "trials.sqlite") as store:
            return store.campaigns()[-1].trials()


@dataclass(kw_only=True)
class Searcher:
    """Searches with a state directory of their own; `left` is what is on the host because of them."""

    state_dir: Path
    cache_dir: Path
    output: Path
    docker_hosts: tuple[str, ...] = ()
    pids: set[int] = field(default_factory=lambda: {os.getpid()})

    def __call__(self, *arguments: str, docker_host: str = NOWHERE, output: Path | None = None) -> Search:
        """Run one in this process."""
        stdout, stderr = io.StringIO(), io.StringIO()
        chosen = output or self.output
        with redirect_stdout(stdout), redirect_stderr(stderr), _environment(self.environment(docker_host)):
            code = main(["search", *arguments, "--output", str(chosen)])
        return Search(code=code, stdout=stdout.getvalue(), stderr=stderr.getvalue(), output=chosen)

    def program(
        self,
        *arguments: str,
        docker_host: str = NOWHERE,
        before: Sequence[str] = (),
        output: Path | None = None,
    ) -> Search:
        """Run the program, behind ``before``, to its end."""
        with self.start(*arguments, docker_host=docker_host, before=before, output=output) as process:
            stdout, stderr = process.communicate(timeout=LIMIT_S)
        return Search(code=process.returncode, stdout=stdout, stderr=stderr, output=output or self.output)

    def start(
        self,
        *arguments: str,
        docker_host: str = NOWHERE,
        before: Sequence[str] = (),
        output: Path | None = None,
        stderr: int = subprocess.PIPE,
    ) -> "subprocess.Popen[str]":
        """Start the program in a process group of its own."""
        capmin = [
            sys.executable,
            "-m",
            "capmin",
            "search",
            *arguments,
            "--output",
            str(output or self.output),
        ]
        process = subprocess.Popen(
            [*before, *capmin],
            env=os.environ | self.environment(docker_host),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        self.pids.add(process.pid)
        return process

    def environment(self, docker_host: str) -> dict[str, str]:
        return {
            "CAPMIN_STATE_DIR": str(self.state_dir),
            "CAPMIN_CACHE_DIR": str(self.cache_dir),
            "DOCKER_HOST": docker_host,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def left(self) -> list[str]:
        """Containers, networks, mounts, control groups, files and processes."""
        options = EngineOptions(campaign="none", state_dir=self.state_dir, cache_dir=self.cache_dir)
        found = [*remains(options), *map(str, self.state_dir.iterdir()), *self._processes(), *self._cgroups()]
        for address in self.docker_hosts:
            found += self._on_daemon(address)
        return sorted(set(found))

    def left_at_last(self) -> list[str]:
        """What is left after the time that tidying up behind a killed process may take."""
        deadline = time.monotonic() + GONE_S
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _processes(self) -> Iterator[str]:
        """Programs that were told of the state directory, in their arguments or their environment."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except OSError:
                continue
            if int(process.name) != os.getpid() and any(
                os.fsencode(self.state_dir) in each for each in words
            ):
                yield f"process {process.name}: {words[0].decode(errors='replace')}"

    def _cgroups(self) -> Iterator[str]:
        top = Path("/sys/fs/cgroup")
        for pid in self.pids - {os.getpid()}:
            for hierarchy in (top, *top.glob("*/")):
                yield from map(str, hierarchy.glob(f"capmin-{pid}-*"))

    def _on_daemon(self, address: str) -> Iterator[str]:
        with closing(APIClient(base_url=address, version="auto")) as client:
            label = {"label": OWNER}
            containers = client.containers(all=True, filters=label)
            networks = client.networks(filters=label)
            volumes = client.volumes(filters=label)["Volumes"] or []
        for found in (*containers, *networks, *volumes):
            owner = Owner.parse(found["Labels"][OWNER])
            if owner is not None and owner.pid in self.pids:
                yield f"{found.get('Image', 'network or volume')} {found.get('Id') or found.get('Name')}"


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def wait_until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
