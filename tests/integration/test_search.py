"""`capmin search` on programs whose needs are known, as a user runs it.

- The capabilities are exactly those, and the search ends with 0: confirmed with the files as written.
- Every privilege kept is proven by a trial that failed for want of it alone, on the final set.
- result.json keeps its contract; the other files say the same, and can be read.
- Workers, an interruption and the errno change the way, and not the answer.
"""

import errno
import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from docker import APIClient

from capmin import frames
from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.result import schema
from capmin.seccomp import FLOOR, SeccompProfile
from capmin.trial import Trial, Verdict
from tests.integration.searching import Search, Searcher

pytestmark = pytest.mark.engine("runc")

Build = Callable[[str], str]
NGINX = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"]

# design.md, section 7: what users and other programs rely on.
CONTRACT: Mapping[str, Any] = {
    "schema": str,
    "image": {"reference": str, "digest": str},
    "engine": {"search": str, "confirm": str},
    "host": {"kernel": str, "architecture": str, "ceiling": list},
    "scenarios": list,
    "capabilities": {"required": list, "alternatives": list, "degraded": list},
    "syscalls": {"required": list, "observed": list, "floor": list, "degraded": list, "errno": str},
    "certificate": list,
    "trials": {"total": int, "lower_bound": int, "launches": int, "unresolved": int},
    "confirmation": {"passed": int, "runs": int, "confidence": float, "max_failure_rate": float},
    "wall_s": float,
    "files": dict,
}


@pytest.mark.parametrize(
    ("image", "arguments", "capabilities"),
    [
        pytest.param("tools", ("true",), [], id="nothing"),
        pytest.param("tools", ("chown nobody /tmp",), ["CAP_CHOWN"], id="one"),
        pytest.param(
            "tools",
            ("touch /tmp/x && chown nobody /tmp/x && chmod 600 /tmp/x",),
            ["CAP_CHOWN", "CAP_FOWNER"],
            id="two",
        ),
        # Its file capability is cap_net_raw=ep: the kernel refuses to execute it where that cannot be had,
        # whatever net.ipv4.ping_group_range would let it do without.
        pytest.param("tools", ("ping -c 1 127.0.0.1",), ["CAP_NET_RAW"], id="file capability"),
        pytest.param(
            "tools",
            ("busybox mount -t tmpfs none /mnt", "--ceiling", "all"),
            ["CAP_SYS_ADMIN"],
            id="beyond the default",
        ),
        pytest.param("tools-nonroot", ('test "$(id -u)" = 1000',), [], id="not root"),
        pytest.param("no-shell", ('["/bin/busybox", "true"]',), [], id="no shell"),
    ],
)
def test_known_answers(
    search: Searcher, built: Build, image: str, arguments: tuple[str, ...], capabilities: list[str]
) -> None:
    found = search(built(image), "--engine", "runc", "--test", *arguments)
    assert found.result["capabilities"]["required"] == capabilities
    check_contract(found.result)
    check_proof(found)
    check_files(found)
    assert found.result["engine"]["search"] == found.result["engine"]["confirm"]


def test_what_fails_by_default_and_works_under_the_ceiling_is_said(search: Searcher, built: Build) -> None:
    arguments = (
        built("tools"),
        "--test",
        "busybox mount -t tmpfs none /mnt",
        "--engine",
        "runc",
        "--no-syscalls",
    )
    assert search(*arguments).code == 3
    found = search(*arguments, "--ceiling", "chown,sys_admin", "--confirm", "1")
    assert found.result["capabilities"]["required"] == ["CAP_SYS_ADMIN"]
    assert "searching down from the ceiling" in found.stderr


def test_an_image_for_another_user_is_warned_of(search: Searcher, built: Build) -> None:
    arguments = ("--test", "true", "--engine", "runc", "--no-syscalls", "--confirm", "1")
    assert "could not be used" in search(built("tools-nonroot"), *arguments).stderr
    assert search(built("tools"), *arguments).stderr == ""


def test_json_is_all_that_stdout_gets(search: Searcher, built: Build) -> None:
    found = search.program(
        built("tools"), "--test", "echo noise; true", "--engine", "runc", "--no-syscalls", "--format", "json"
    )
    assert found.code == 0, found.stderr
    assert found.stdout == (found.output / "result.json").read_text()
    assert found.stderr == ""


def test_only_system_calls(search: Searcher, built: Build) -> None:
    found = search(built("tools"), "--test", "chown nobody /tmp", "--engine", "runc", "--no-capabilities")
    assert found.result["capabilities"] is None
    assert "fchownat" in found.result["syscalls"]["required"]
    assert "--cap-drop" not in (found.output / "run.sh").read_text()
    check_proof(found)


def test_only_capabilities(search: Searcher, built: Build) -> None:
    found = search(built("tools"), "--test", "chown nobody /tmp", "--engine", "runc", "--no-syscalls")
    assert found.result["capabilities"]["required"] == ["CAP_CHOWN"]
    assert found.result["syscalls"] is None
    assert not (found.output / "seccomp.json").exists()
    assert "seccomp" not in (found.output / "run.sh").read_text()
    check_proof(found)


def test_another_errno(search: Searcher, built: Build) -> None:
    found = search(
        built("no-shell"), "--test", '["/bin/busybox", "id"]', "--engine", "runc", "--errno", "EPERM"
    )
    assert found.result["syscalls"]["errno"] == "EPERM"
    rules = json.loads((found.output / "seccomp.json").read_text())["syscalls"]
    given = {rule["errnoRet"]: rule["names"] for rule in rules if rule["action"] == "SCMP_ACT_ERRNO"}
    # As in Docker's own profile: the C library takes another way than clone3 at ENOSYS only.
    assert given.pop(errno.ENOSYS) == ["clone3"]
    assert set(given) == {errno.EPERM}
    check_proof(found)


@pytest.mark.long
def test_workers_change_nothing(search: Searcher, built: Build, tmp_path: Path) -> None:
    arguments = (
        built("tools"),
        "--test",
        "chown nobody /tmp && mkdir /x",
        "--engine",
        "runc",
        "--confirm",
        "1",
    )
    alone = search(*arguments, "--workers", "1", output=tmp_path / "alone")
    together = search(*arguments, "--workers", "4", output=tmp_path / "together")
    assert answer(together) == answer(alone)
    check_proof(together)


def test_the_budget_is_kept_and_a_larger_one_goes_on(search: Searcher, built: Build, tmp_path: Path) -> None:
    arguments = (built("tools"), "--test", "chown nobody /tmp", "--engine", "runc", "--confirm", "1")
    stopped = search(*arguments, "--budget", "12")
    trials = stopped.trials
    assert stopped.code == 5
    assert "the budget of 12 trials is spent" in stopped.stderr
    assert stopped.written["trials"]["total"] == 12
    assert "CAP_CHOWN" in stopped.written["capabilities"]["required"]
    jsonschema.validate(stopped.written, schema())

    resumed = search(*arguments, "--resume")
    assert resumed.trials[:12] == trials
    check_proof(resumed)
    at_once = search(*arguments, output=tmp_path / "at once")
    assert answer(resumed) == answer(at_once)
    assert max(asked(resumed.trials).values()) <= max(asked(at_once.trials).values())


def test_docker_confirms_and_its_command_line_works(search: Searcher, built: Build, daemon: str) -> None:
    found = search(built("tools"), "--test", "chown nobody /tmp", "--engine", "runc", docker_host=daemon)
    assert found.result["engine"]["confirm"].startswith("docker ")
    check_files(found)
    assert docker_run(found, daemon, "chown nobody /tmp") == (0, "")
    code, output = docker_run(found, daemon, "mkdir /x")
    assert code != 0
    assert "Function not implemented" in output
    _, output = docker_run(found, daemon, "exec cat /proc/self/status")
    assert "CapBnd: 0000000000000001" in output


@pytest.mark.parametrize("daemon", ["docker-modern"], indirect=True)
def test_docker_searches(search: Searcher, built: Build, daemon: str) -> None:
    found = search(
        built("tools"),
        "--test",
        "chown nobody /tmp",
        "--engine",
        "docker",
        "--confirm",
        "3",
        docker_host=daemon,
    )
    assert found.result["capabilities"]["required"] == ["CAP_CHOWN"]
    assert found.result["syscalls"]["observed"]
    check_contract(found.result, confirm=3)
    check_proof(found)
    check_files(found)


@pytest.mark.parametrize("daemon", ["docker"], indirect=True)
def test_docker_searches_blindly_where_it_must(search: Searcher, built: Build, daemon: str) -> None:
    if not daemon_is_old(daemon):
        pytest.skip("this daemon passes listenerPath on")
    test = ("--test", '["/bin/busybox", "id"]', "--engine", "docker")
    found = search(built("no-shell"), *test, "--no-capabilities", "--confirm", "1", docker_host=daemon)
    assert found.result["syscalls"]["required"] == ["getgroups"]
    assert found.result["syscalls"]["observed"] == []
    assert "searching black box" in found.stderr
    assert found.result["trials"]["total"] < 60
    check_proof(found)


def daemon_is_old(address: str) -> bool:
    """Whether it drops listenerPath, as Docker did before 23."""
    with closing(APIClient(base_url=address, version="auto")) as client:
        return int(client.version()["Version"].split(".")[0]) < 23


@pytest.mark.long
@pytest.mark.parametrize("daemon", ["docker-modern"], indirect=True)
def test_nginx_with_docker(search: Searcher, built: Build, daemon: str) -> None:
    built("nginx")
    found = search(
        "--workload",
        "workloads/nginx",
        "--engine",
        "docker",
        "--no-syscalls",
        "--confirm",
        "1",
        docker_host=daemon,
    )
    assert found.result["capabilities"]["required"] == NGINX
    check_proof(found)


def answer(found: Search) -> tuple[list[str], list[str]]:
    return found.result["capabilities"]["required"], found.result["syscalls"]["required"]


def asked(trials: tuple[Trial, ...]) -> Counter[tuple[str, Grant]]:
    """How often each question was asked; rounds of observation end when two saw nothing new."""
    return Counter((trial.phase, trial.grant) for trial in trials if trial.phase != "observe")


def check_contract(result: dict[str, Any], confirm: int = 10) -> None:
    """What design.md, section 7, promises."""
    jsonschema.Draft202012Validator(schema()).validate(result)
    check_shape(result, CONTRACT)
    for kind, prefix in (("capabilities", "CAP_"), ("syscalls", "")):
        for name in result[kind]["required"]:
            assert name.startswith(prefix)
    values = [*result["capabilities"].values(), *result["syscalls"].values()]
    lists = [value for value in values if isinstance(value, list)]
    assert [names for names in [*lists, result["host"]["ceiling"]] if names != sorted(names)] == []
    assert set(result["syscalls"]["required"]) <= set(result["syscalls"]["observed"])
    assert not set(result["syscalls"]["required"]) & set(result["syscalls"]["floor"])
    assert result["confirmation"]["passed"] == result["confirmation"]["runs"] == confirm
    assert [sorted(entry) for entry in result["scenarios"]] == [["baseline_s", "flake_rate", "name"]]
    kept = len(result["capabilities"]["required"]) + len(result["syscalls"]["required"])
    assert len(result["certificate"]) == kept
    assert result["trials"]["lower_bound"] == kept + 1 <= result["trials"]["total"]


def check_shape(value: object, shape: object) -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict)
        assert set(shape) <= set(value)
        for key, inner in shape.items():
            check_shape(value[key], inner)
    else:
        assert isinstance(shape, type)
        assert isinstance(value, shape)


def check_proof(found: Search) -> None:
    """Each privilege kept has its trial, which failed on exactly the final grant without it.

    A system call's may have lacked more: then it was denied the call all the same, and no capability.
    """
    trials = {trial.number: trial for trial in found.trials}
    final = final_grant(found.result)
    entries = {entry["privilege"]: entry for entry in found.result["certificate"]}
    searched = frozenset() if found.result["capabilities"] is None else final.capabilities
    assert set(entries) == searched | (final.syscalls or frozenset())
    for privilege, entry in entries.items():
        assert set(entry) - {"proof"} == {"privilege", "trial", "denied", "evidence"}
        trial = trials[entry["trial"]]
        assert trial.verdict is Verdict.BREAKS or trial.degraded
        if "proof" in entry:
            assert privilege not in CAPABILITIES
            assert privilege in {attempt.privilege for attempt in trial.launches[-1].denials or ()}
            assert trial.grant.capabilities == final.capabilities
        else:
            assert proves(trial, final, privilege), (privilege, trial)


def proves(trial: Trial, final: Grant, privilege: str) -> bool:
    """The final grant without the privilege; or less still, where nothing else of it was missed."""
    if trial.grant == final.without(frozenset({Capability(privilege), Syscall(privilege)})):
        return True
    denied = {attempt.privilege for attempt in trial.launches[-1].denials or ()}
    return (
        trial.grant.privileges < final.privileges
        and trial.grant.capabilities == final.capabilities
        and denied & final.privileges == {privilege}
    )


def final_grant(result: dict[str, Any]) -> Grant:
    capabilities, syscalls = result["capabilities"], result["syscalls"]
    usual = frozenset(Capability(name) for name in DOCKER_DEFAULT)
    return Grant(
        capabilities=usual if capabilities is None else frozenset(map(Capability, capabilities["required"])),
        syscalls=None if syscalls is None else frozenset(map(Syscall, syscalls["required"])),
    )


def check_files(found: Search) -> None:
    """They are all there, and say what the result says."""
    result, output = found.result, found.output
    assert {path.name for path in output.iterdir()} == {"result.json", *result["files"].values()}
    profile = SeccompProfile.from_oci(json.loads((output / "seccomp.json").read_text()))
    granted = FLOOR | frozenset(map(Syscall, result["syscalls"]["required"]))
    assert profile.allowed == granted
    table = frames.from_csv(output / "trials.csv", frames.TRIALS)
    assert table.equals(frames.from_parquet(output / "trials.parquet", frames.TRIALS))
    assert len(table) == result["trials"]["total"] == len(found.trials)
    assert table["launch_count"].sum() == result["trials"]["launches"]
    assert (output / "search.png").read_bytes().startswith(b"\x89PNG\r\n")
    words = (output / "run.sh").read_text().split()
    added = [words[index + 1] for index, word in enumerate(words) if word == "--cap-add"]
    assert [f"CAP_{name}" for name in added] == result["capabilities"]["required"]


def docker_run(found: Search, daemon: str, command: str) -> tuple[int, str]:
    """The exit code and output of a command under the profile, launched by the run.sh that was written."""
    image = f"capmin/loaded:{found.result['image']['digest'].removeprefix('sha256:')}"
    done = subprocess.run(
        [found.output / "run.sh", "--network", "none", "--", "/bin/sh", "-c", command],
        env=os.environ | {"DOCKER_HOST": daemon, "CAPMIN_IMAGE": image},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, " ".join(done.stdout.split())
