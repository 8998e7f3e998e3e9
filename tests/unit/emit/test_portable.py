"""A profile for where it was not searched: what is added stands apart, with its reason, and is warned of.

- Nothing is added for where it was searched.
- A call that an architecture lacks is granted there by its other names, both ways; the rest is named.
- crun's calls are a rule of their own, and runc's stay: the program may use them.
- One document holds for both architectures, each call allowed or denied, never both.
"""

import json
from dataclasses import replace

import pytest

from capmin.emit import emit
from capmin.portable import CRUN_CALLS, Runtime, counterparts, missing
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.privileges.syscall import table
from capmin.profile import Profile
from capmin.seccomp import FLOOR, resolve_docker
from tests.unit.emit.test_golden import golden_profile

NGINX, PING = golden_profile("nginx"), golden_profile("ping")
BOTH = ("x86_64", "arm64")


def calls(*names: str) -> frozenset[Syscall]:
    return frozenset(map(Syscall, names))


def rules(profile: Profile) -> dict[str, frozenset[str]]:
    """The calls allowed without conditions, by reason."""
    return {rule.comment: frozenset(rule.names) for rule in profile.seccomp().rules if not rule.conditions}


def test_nothing_is_added_where_it_was_searched() -> None:
    assert replace(NGINX, targets=("x86_64",)).seccomp() == NGINX.seccomp()
    assert NGINX.warnings == ()


def test_an_architecture_without_a_call_gets_its_other_names() -> None:
    on_arm = replace(NGINX, targets=("arm64",))
    assert rules(on_arm)["other names of the same on arm64"] == {
        "dup3",
        "mkdirat",
    }  # epoll_pwait: in the floor
    assert on_arm.seccomp().allowed <= table("arm64").keys()
    assert on_arm.seccomp().architectures == ("SCMP_ARCH_AARCH64",)
    assert (
        "lacks, and gets instead: dup2 (dup3, fcntl), epoll_wait (epoll_pwait), mkdir (mkdirat)"
        in "".join(on_arm.warnings)
    )


def test_an_architecture_with_older_calls_gets_them_too() -> None:
    assert counterparts(calls("ppoll"), "arm64", "x86_64") == {"ppoll": ("pause", "poll")}
    assert {"poll", "fork"} <= replace(PING, targets=("x86_64",)).seccomp().allowed


def test_what_has_no_other_name_is_said() -> None:
    profile = replace(NGINX, required=calls("modify_ldt", "read"), targets=("arm64",))
    assert "modify_ldt (nothing)" in "".join(profile.warnings)


@pytest.mark.parametrize("name", sorted(missing(table("x86_64"), "arm64")))
def test_every_other_name_exists(name: Syscall) -> None:
    found = counterparts(frozenset({name}), "x86_64", "arm64").get(name, ())
    assert table("arm64").keys() >= set(found)


@pytest.mark.parametrize("runtime", [Runtime.CRUN, Runtime.BOTH])
def test_crun_gets_a_rule_of_its_own(runtime: Runtime) -> None:
    profile = replace(NGINX, runtime=runtime)
    added = rules(profile)["needed by crun itself"]
    assert added == CRUN_CALLS - FLOOR - (NGINX.required or frozenset())
    assert profile.seccomp().allowed == NGINX.seccomp().allowed | CRUN_CALLS
    assert rules(profile)["needed by the runtime itself"] == FLOOR


@pytest.mark.parametrize("architecture", BOTH)
def test_one_document_holds_on_both_architectures(architecture: str) -> None:
    document = json.loads(emit(replace(NGINX, targets=BOTH), "docker-seccomp"))
    assert "architectures" not in document  # Docker 20.10 refuses both keys together
    resolved = resolve_docker(document, frozenset(CAPABILITIES), architecture)
    [name] = resolved.architectures
    assert name == {"x86_64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[architecture]
    denied = {name for rule in resolved.rules if rule.errno is not None for name in rule.names}
    assert not denied & resolved.allowed
    assert denied | resolved.allowed >= table(architecture).keys()


def test_podman_is_told_the_runtime_that_the_profile_is_for() -> None:
    for runtime in (Runtime.RUNC, Runtime.CRUN):
        assert f"--runtime {runtime} run" in emit(replace(NGINX, runtime=runtime), "podman-run")
        assert f"GlobalArgs=--runtime={runtime}\n" in emit(replace(NGINX, runtime=runtime), "quadlet")
    assert "--runtime" not in emit(replace(NGINX, runtime=Runtime.BOTH), "podman-run").partition("exec")[2]
    assert "GlobalArgs" not in emit(replace(NGINX, runtime=Runtime.BOTH), "quadlet")


def test_warnings_are_in_the_head_of_the_file() -> None:
    text = emit(replace(NGINX, no_new_privileges=True, runtime=Runtime.BOTH), "compose")
    assert "# mind: no-new-privileges was not tried" in text
    assert "# mind: the calls of crun" in text
