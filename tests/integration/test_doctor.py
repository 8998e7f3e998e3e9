"""`capmin doctor` on the real host: it tells what the kernel and the programs say, and leaves nothing."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capmin.privileges.capability import CAPABILITIES, from_mask


def _doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "capmin", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def diagnosis() -> dict[str, Any]:
    done = _doctor("--format", "json")
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if any(e["can_search"] for e in document["engines"].values()) else 4)
    return document


def test_the_host(diagnosis: dict[str, Any]) -> None:
    host = diagnosis["host"]
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert diagnosis["schema"] == "capmin/doctor/1"
    assert host["kernel"] == platform.release()
    assert set(host["ceiling"]) == from_mask(int(status["CapPrm"], 16) & int(status["CapBnd"], 16))
    assert set(host["ceiling"]) | set(host["missing_capabilities"]) == set(CAPABILITIES)


def test_what_is_not_ok_says_what_to_do(diagnosis: dict[str, Any]) -> None:
    for check in diagnosis["checks"]:
        assert (check["remedy"] is None) == (check["state"] == "ok"), check


@pytest.mark.engine("runc")
def test_runc_can_search_here(diagnosis: dict[str, Any]) -> None:
    runc = diagnosis["engines"]["runc"]
    assert runc["problem"] is None
    assert runc["can_search"]
    words = subprocess.run(["runc", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"runc version {runc['version']}" in words
    assert runc["observes_syscalls"]


@pytest.mark.engine("docker")
def test_docker_can_search_here(diagnosis: dict[str, Any]) -> None:
    docker = diagnosis["engines"]["docker"]
    assert docker["problem"] is None
    major = int(docker["version"].split(".")[0])
    assert docker["observes_syscalls"] == (major >= 23)


def test_the_text_tells_the_same(diagnosis: dict[str, Any]) -> None:
    text = _doctor().stdout
    for check in diagnosis["checks"]:
        assert f"{check['state']:<8} {check['name']}" in text
        assert check["remedy"] is None or check["remedy"] in text


def test_without_any_engine_it_ends_with_4(tmp_path: Path) -> None:
    done = _doctor(PATH=str(tmp_path), DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert done.returncode == 4
    assert "apt install runc" in done.stdout
    assert "apt install docker.io" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("No engine can search here")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_for_another_user_it_says_so(tmp_path: Path) -> None:
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    done = subprocess.run(
        [setpriv, "--reuid=65534", "--clear-groups", sys.executable, "-m", "capmin", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "HOME": "/",
            "CAPMIN_CACHE_DIR": "/nowhere",
            "DOCKER_HOST": f"unix://{tmp_path}/no",
        },
    )
    assert done.returncode == 4, done.stderr
    assert "sudo" in done.stdout


def test_nothing_stays_behind(tmp_path: Path) -> None:
    done = _doctor(CAPMIN_STATE_DIR=str(tmp_path / "state"), TMPDIR=str(tmp_path))
    assert done.returncode in (0, 4)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert [path for path in tmp_path.rglob("*") if path.name != "state"] == []
