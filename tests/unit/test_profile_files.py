"""Profiles as files.

- Each kind is told by its contents, and gives the capabilities and the calls that it grants.
- What cannot be used is refused with a reason: what is no profile, what would hang, what says too much or is
  for another machine. Names that are no system call are told.
- A filter that allows by default grants what it does not deny.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capmin.errors import UsageError
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.profile import Strictness
from capmin.profile_files import Reading, calls_let_through, conditional_calls, read_profile
from capmin.seccomp import FLOOR, docker_default

NGINX = Path(__file__).parents[1] / "integration" / "data" / "nginx"
RESULT: dict[str, Any] = json.loads((NGINX / "result.json").read_text())
READING = Reading(architecture="x86_64")
CHOWN = frozenset({Capability("CAP_CHOWN")})

Write = Callable[[object], str]


def calls(path: str, reading: Reading = READING) -> set[str]:
    """The calls that a profile lets through, as plain strings."""
    return {str(name) for name in read_profile(path, reading).calls("x86_64") or ()}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: object) -> str:
        path = tmp_path / "profile"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def filter_of(*names: str, **more: object) -> dict[str, Any]:
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": list(names), "action": "SCMP_ACT_ALLOW"}],
        **more,
    }


def test_a_result(write: Write) -> None:
    given = read_profile(write(RESULT), READING)
    assert given.capabilities == set(RESULT["capabilities"]["required"])
    assert given.calls("x86_64") == FLOOR | set(RESULT["syscalls"]["required"])
    wider = read_profile(write(RESULT), Reading(architecture="x86_64", strictness=Strictness.OBSERVED))
    assert wider.calls("x86_64") == FLOOR | {*RESULT["syscalls"]["required"], *RESULT["syscalls"]["observed"]}


def test_a_directory_has_the_filter_as_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    assert read_profile(str(tmp_path), READING) == read_profile(str(tmp_path), READING)
    (tmp_path / "seccomp.json").write_text((NGINX / "seccomp.json").read_text())
    read_profile(str(tmp_path), READING)
    assert caplog.messages == []
    (tmp_path / "seccomp.json").write_text(json.dumps(filter_of("read")))
    assert calls(str(tmp_path)) == {"read"}
    assert "is not what its result.json says" in caplog.messages[0]


def test_what_was_not_searched_is_the_runtimes_own(write: Write) -> None:
    given = read_profile(write({**RESULT, "syscalls": None, "capabilities": None}), READING)
    assert (given.capabilities, given.seccomp, given.calls("x86_64")) == (DOCKER_DEFAULT, None, None)


def test_dockers_dialect_depends_on_capabilities(write: Write) -> None:
    profile = filter_of("read")
    profile["syscalls"].append(
        {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}}
    )
    path = write(profile)
    assert calls(path) == {"read", "chroot"}
    reading = Reading(architecture="x86_64", capabilities=CHOWN)
    assert (read_profile(path, reading).capabilities, calls(path, reading)) == (CHOWN, {"read"})


def test_dockers_default_by_its_name() -> None:
    given = read_profile("docker-default", READING)
    assert given.seccomp == docker_default(DOCKER_DEFAULT, "x86_64")


OPERATOR = """
kind: SeccompProfile
metadata: {name: web}
spec:
  baseProfileName: %s
  defaultAction: SCMP_ACT_ERRNO
  syscalls:
  - {action: SCMP_ACT_ALLOW, names: [accept4]}
"""
BASE = """
---
kind: SeccompProfile
metadata: {name: ours}
spec: {defaultAction: SCMP_ACT_ERRNO, syscalls: [{action: SCMP_ACT_ALLOW, names: [read]}]}
"""


def test_the_operators_base_profiles_count(write: Write) -> None:
    runc = read_profile(write(OPERATOR % "runc-v1.4.2"), READING).calls("x86_64")
    assert runc == (FLOOR - {"exit", "fchown"}) | {"accept4"}
    assert read_profile(write(OPERATOR % "crun-v1.26"), READING).calls("x86_64") != runc
    assert calls(write(OPERATOR % "ours" + BASE)) == {"accept4", "read"}


def test_an_oci_configuration_says_everything(write: Write) -> None:
    config = {
        "ociVersion": "1.0.2",
        "process": {"capabilities": {"bounding": ["CAP_CHOWN"]}},
        "linux": {"seccomp": filter_of("read")},
    }
    path = write(config)
    assert (read_profile(path, READING).capabilities, calls(path)) == (CHOWN, {"read"})


def test_a_filter_that_allows_by_default(write: Write) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO"},
            {
                "names": ["socket"],
                "action": "SCMP_ACT_ERRNO",
                "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}],
            },
        ],
    }
    seccomp = read_profile(write(profile), READING).seccomp
    assert seccomp is not None
    assert calls_let_through(seccomp, "x86_64") == table("x86_64").keys() - {"mount"}
    assert conditional_calls(seccomp) == {Syscall("socket")}


@pytest.mark.parametrize(
    ("content", "reading", "words"),
    [
        ({}, READING, "is no profile that capmin knows"),
        ("{", READING, "not JSON"),
        ("a: [", READING, "profile:1: not YAML"),
        ("a: 1\na: 2\n", READING, "profile:2: not YAML"),
        (filter_of("read", defaultAction="SCMP_ACT_NOPE"), READING, "SCMP_ACT_NOPE"),
        (filter_of("read", listenerPath="/run/x"), READING, "would hang"),
        ({**RESULT, "schema": "capmin/result/9"}, READING, "is no profile that capmin knows"),
        ({**RESULT, "host": {"architecture": "arm64"}, "syscalls": None}, READING, "made for arm64"),
        (RESULT, Reading(architecture="x86_64", capabilities=CHOWN), "leave out --capabilities"),
        (OPERATOR % "runc-v0.1", READING, "its base profile 'runc-v0.1' is not known"),
        (OPERATOR % "''" + BASE, READING, "has to hold one SeccompProfile, and has: web, ours"),
    ],
)
def test_what_cannot_be_used(write: Write, content: object, reading: Reading, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_profile(write(content), reading)
    assert words in str(caught.value)


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*result\.json"):
        read_profile(str(tmp_path), READING)


def test_a_typing_error_is_told(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_profile(write(filter_of("opeant", "read", "socketcall", "fchownat2")), READING)
    assert len(caplog.messages) == 1
    assert "no system call anywhere: fchownat2 opeant" in caplog.messages[0]
