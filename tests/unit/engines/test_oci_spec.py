"""The config.json is the one that dockerd hands to runc, but for what design.md section 6 changes.

``data/docker-20.10.24-config.json`` is what a real dockerd wrote for ``docker run --network none --memory 2g
--memory-swap 2g --pids-limit 1024 --sysctl net.ipv4.ip_unprivileged_port_start=1024 IMAGE sleep 1000``,
without its hooks and its seccomp profile.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capmin.engines.oci_spec import Bundle, Host, config
from capmin.engines.oci_user import User
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.seccomp import unconfined

DOCKERS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data/docker-20.10.24-config.json").read_text(encoding="utf-8")
)
HOST = Host(unified_cgroups=False, swap_accounting=True, ipv6=False)
BUNDLE = Bundle(
    root=Path("/run/capmin/root"),
    etc=Path("/run/capmin"),
    hostname="0123456789ab",
    argv=("sleep", "1000"),
    environment=(),
    working_dir="",
    user=User(uid=0, gid=0, groups=(0,)),
    capabilities=DOCKER_DEFAULT,
    seccomp=None,
    cgroup="capmin-1/0123456789ab",
    annotations={},
)


def test_process_is_dockers() -> None:
    ours, dockers = config(BUNDLE, HOST)["process"], DOCKERS["process"]
    for kind, names in dockers["capabilities"].items():
        assert sorted(names) == ours["capabilities"].pop(kind)
    assert ours.pop("capabilities") == {}
    assert ours == {name: value for name, value in dockers.items() if name != "capabilities"}


def test_mounts_are_dockers() -> None:
    ours, dockers = config(BUNDLE, HOST)["mounts"], DOCKERS["mounts"]
    for entry in (*ours, *dockers):
        if entry["type"] == "bind":
            entry["source"] = Path(entry["source"]).name
    assert ours == dockers


@pytest.mark.parametrize("name", ["readonlyPaths", "sysctl"])
def test_kernel_settings_are_dockers(name: str) -> None:
    assert config(BUNDLE, HOST)["linux"][name] == DOCKERS["linux"][name]


def test_masked_paths_are_dockers_and_a_newer_one() -> None:
    ours = set(config(BUNDLE, HOST)["linux"]["maskedPaths"])
    assert ours - {"/sys/devices/virtual/powercap"} == set(DOCKERS["linux"]["maskedPaths"])


def test_limits_and_devices_are_dockers() -> None:
    ours, dockers = config(BUNDLE, HOST)["linux"]["resources"], DOCKERS["linux"]["resources"]
    assert ours["devices"] == dockers["devices"]
    assert ours["pids"] == dockers["pids"]
    assert ours["memory"] == {name: dockers["memory"][name] for name in ("limit", "swap")}


def test_namespaces_are_dockers() -> None:
    ours = {entry["type"] for entry in config(BUNDLE, HOST)["linux"]["namespaces"]}
    assert ours == {entry["type"] for entry in DOCKERS["linux"]["namespaces"]}


def test_cgroup_namespace_is_private_on_version_2_only() -> None:
    kinds = {
        entry["type"] for entry in config(BUNDLE, replace(HOST, unified_cgroups=True))["linux"]["namespaces"]
    }
    assert "cgroup" in kinds


def test_swap_is_not_limited_where_the_kernel_cannot() -> None:
    memory = config(BUNDLE, replace(HOST, swap_accounting=False))["linux"]["resources"]["memory"]
    assert memory.keys() == {"limit"}


def test_other_users_get_the_bounding_set_only() -> None:
    bundle = replace(BUNDLE, user=User(uid=33, gid=33, groups=(33,)))
    assert config(bundle, HOST)["process"]["capabilities"].keys() == {"bounding"}


def test_the_images_variables_win() -> None:
    bundle = replace(BUNDLE, environment=("PATH=/bin", "A=b=c", "A=d"))
    assert config(bundle, HOST)["process"]["env"] == ["PATH=/bin", "HOSTNAME=0123456789ab", "A=d"]


def test_a_shared_network_is_not_configured_again() -> None:
    document = config(replace(BUNDLE, network_namespace="/proc/1/fd/9"), HOST)["linux"]
    assert {"type": "network", "path": "/proc/1/fd/9"} in document["namespaces"]
    assert document["sysctl"] == {}


def test_seccomp_is_there_if_asked_for() -> None:
    assert "seccomp" not in config(BUNDLE, HOST)["linux"]
    profile = unconfined("x86_64")
    assert config(replace(BUNDLE, seccomp=profile), HOST)["linux"]["seccomp"] == profile.to_oci()
