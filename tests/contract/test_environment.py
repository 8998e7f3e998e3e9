"""A container finds the same environment on every engine: Docker's, but for what design.md section 6 changes.

- What matters most is named here, fact by fact.
- All the rest is as on Docker, the reference: each fact that the image's program `facts` can see.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache

import pytest

from capmin.engines import MEMORY_LIMIT_BYTES, PIDS_LIMIT
from tests.contract.conftest import Bench

Facts = Mapping[str, str]
REFERENCE = "docker"

MASKED = (
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/sys")
DEVICES = "fd full mqueue null ptmx pts pts/ptmx random shm stderr stdin stdout tty urandom zero"
MISSING, DENIED, READ_ONLY_ERRNO = "errno 2", "errno 1", "errno 30"


@pytest.fixture(scope="session")
def facts_of(benches: Callable[[str], Bench]) -> Callable[[str], Facts]:
    """What the program `facts` says in a container of an engine."""
    return cache(
        lambda name: dict(line.split("\t", 1) for line in benches(name).output("facts").splitlines())
    )


@pytest.fixture
def facts(engine_name: str, facts_of: Callable[[str], Facts]) -> Facts:
    return facts_of(engine_name)


@pytest.mark.parametrize("engine_name", ["runc", "docker-modern"])
def test_all_is_as_on_docker(facts: Facts, facts_of: Callable[[str], Facts]) -> None:
    assert comparable(facts) == comparable(facts_of(REFERENCE))


def comparable(facts: Facts) -> Facts:
    """Without what is a container's own, or the host's: names, namespaces, file systems below bind mounts."""
    rest = {name: value for name, value in facts.items() if not name.startswith("namespace ")}
    for name in ("environment HOSTNAME", "read /etc/hostname"):
        rest[name] = re.sub(r"^[0-9a-f]{12}$", "ID", rest[name])
    for name in ("mount /etc/hosts", "mount /etc/hostname", "mount /etc/resolv.conf"):
        rest[name] = rest[name].partition(" ")[2]
    # Docker 26 leaves the names of IPv6 out where that is off; it is off on all of them.
    rest["read /etc/hosts"] = rest["read /etc/hosts"].partition("\\n::1")[0]
    # Docker 26 adds comments to it.
    rest["read /etc/resolv.conf"] = re.sub(r"#.*?(\\n|$)|\\n", "", rest["read /etc/resolv.conf"])
    return rest


@pytest.mark.parametrize("path", MASKED)
def test_masked_paths_are_empty(facts: Facts, path: str) -> None:
    assert facts.get(f"read {path}", "") in ("", MISSING)
    assert facts.get(f"lists {path}", "") == ""


@pytest.mark.parametrize("path", READ_ONLY)
def test_read_only_paths_are(facts: Facts, path: str) -> None:
    assert re.search(r"\bro\b", facts[f"mount {path}"])


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/irq/default_smp_affinity"])
def test_kernel_settings_cannot_be_written(facts: Facts, path: str) -> None:
    assert facts[f"writes {path}"] in (READ_ONLY_ERRNO, MISSING)


def test_the_root_file_system_can_be_written(facts: Facts) -> None:
    assert (facts["writes /new"], facts["writes /etc/hosts"]) == ("yes", "yes")


def test_devices_are_dockers(facts: Facts) -> None:
    present = {name.removeprefix("device /dev/") for name in facts if name.startswith("device ")}
    assert present == set(DEVICES.split())


@pytest.mark.parametrize(
    ("device", "opens"), [("zero", "yes"), ("mem", DENIED), ("kmsg", DENIED), ("fuse", DENIED)]
)
def test_a_device_made_inside_opens_only_if_allowed(facts: Facts, device: str, opens: str) -> None:
    assert facts[f"opens {device}"] == opens


def test_the_network_is_loopback_alone(facts: Facts) -> None:
    assert facts["interfaces"] == "lo"


def test_ports_below_1024_are_privileged(facts: Facts) -> None:
    assert facts["read /proc/sys/net/ipv4/ip_unprivileged_port_start"] == "1024"


def test_limits(facts: Facts) -> None:
    cgroup = "/sys/fs/cgroup"
    memory = {facts[f"read {cgroup}/memory/memory.limit_in_bytes"], facts[f"read {cgroup}/memory.max"]}
    pids = {facts[f"read {cgroup}/pids/pids.max"], facts[f"read {cgroup}/pids.max"]}
    assert (memory, pids) == ({str(MEMORY_LIMIT_BYTES), MISSING}, {str(PIDS_LIMIT), MISSING})


def test_the_process_is_the_first_of_its_namespace(facts: Facts) -> None:
    assert (facts["pid"], facts["cwd"], facts["umask"]) == ("1 0", "/", "0022")


def test_input_is_closed_and_nothing_else_is_open(facts: Facts) -> None:
    assert facts["descriptor 0"] == "/dev/null"
    assert facts["other descriptors"] == ""


def test_the_environment_is_dockers(facts: Facts) -> None:
    variables = {name.split()[1]: value for name, value in facts.items() if name.startswith("environment ")}
    assert variables.keys() == {"HOME", "HOSTNAME", "PATH"}
    assert variables["HOME"] == "/root"
    assert re.fullmatch(r"[0-9a-f]{12}", variables["HOSTNAME"])
    assert facts["read /etc/hostname"] == variables["HOSTNAME"]


def test_there_is_a_filter_and_no_more(facts: Facts) -> None:
    assert (facts["status Seccomp"], facts["status NoNewPrivs"]) == ("2", "0")
