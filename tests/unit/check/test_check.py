"""``capmin check``: what files grant beyond a result.

- Of a file with deliberate over-grants every one is found, at its line, and nothing else; of a file that
  grants what the result says, nothing.
- The same over-grant is the same finding in every format.
- A container is held against the result for its image, or the one named for it.
- SARIF and JUnit are what their readers take. The SARIF was validated once with ``sarif-multitool validate``
  5.7.0: no error (npm, so not in these tests).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif

from capmin.check import RULES
from capmin.cli import main
from capmin.profile import Profile

NGINX = Path(__file__).parents[2] / "integration" / "data" / "nginx"
RESULT: dict[str, Any] = json.loads((NGINX / "result.json").read_text())
NEEDED = "CHOWN, DAC_OVERRIDE, NET_BIND_SERVICE, SETGID, SETUID"

Check = Callable[..., tuple[int, str]]
Found = list[tuple[int, str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Writes files, and checks the first against nginx's result; gives the exit code and what is printed."""
    monkeypatch.chdir(tmp_path)
    Path("nginx").mkdir()
    for name in ("result.json", "seccomp.json"):
        Path("nginx", name).write_text((NGINX / name).read_text())
    Path("seccomp.json").write_text((NGINX / "seccomp.json").read_text())

    def run(name: str, content: str, *more: str) -> tuple[int, str]:
        Path(name).write_text(content)
        code = main(["check", name, "--against", "nginx", *more])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def found(check: Check, name: str, content: str) -> Found:
    """Lines, levels and rules."""
    code, output = check(name, content, "--format", "json")
    assert code == 0, output
    return [(one["line"], one["level"], one["name"]) for one in json.loads(output)["findings"]]


COMPOSE_TIGHT = f"""\
services:
  web:
    image: capmin/nginx:latest
    cap_drop: [ALL]
    cap_add: [{NEEDED}]
    security_opt: [no-new-privileges:true, seccomp=./seccomp.json]
    volumes: [data:/data, ./site:/var/www:ro, /srv/site:/srv]
"""
COMPOSE_WIDE = """\
services:
  web:
    image: capmin/nginx:latest
    cap_drop: [MKNOD]
    cap_add:
      - SETUID
      - NET_RAW
      - sys_admin
    security_opt:
      - seccomp:unconfined
      - apparmor=unconfined
    pid: host
    network_mode: host
    ipc: "host"
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
      - type: bind
        source: /etc
        target: /host
      - data:/data
    devices: [/dev/kvm]
"""


def test_compose_what_is_needed_is_no_finding(check: Check) -> None:
    assert check("compose.yaml", COMPOSE_TIGHT) == (0, "nothing found in 1 container\n")


def test_compose_every_over_grant_is_found(check: Check) -> None:
    assert found(check, "compose.yaml", COMPOSE_WIDE) == [
        (2, "note", "privileges-gained"),
        (4, "warning", "default-capabilities"),
        (7, "warning", "capability-added"),
        (8, "error", "capability-added"),
        (10, "error", "seccomp-off"),
        (11, "warning", "protection-off"),
        (12, "error", "host-namespace"),
        (13, "warning", "host-namespace"),
        (14, "warning", "host-namespace"),
        (16, "error", "runtime-socket"),
        (18, "warning", "host-path"),
        (21, "warning", "device"),
    ]


def test_compose_which_capabilities(check: Check) -> None:
    _, output = check("compose.yaml", COMPOSE_WIDE, "--format", "json")
    named = {one["line"]: set(one["privileges"]) for one in json.loads(output)["findings"]}
    assert named[7] == {"CAP_NET_RAW"}
    assert named[8] == {"CAP_SYS_ADMIN"}
    kept = "AUDIT_WRITE FOWNER FSETID KILL SETFCAP SETPCAP SYS_CHROOT".split()
    assert named[4] == {f"CAP_{name}" for name in kept}


def test_compose_privileged_says_it_all(check: Check) -> None:
    text = "services:\n  web:\n    image: capmin/nginx\n    privileged: true\n    cap_add: [BPF]\n"
    rules = [(line, name) for line, _, name in found(check, "compose.yaml", text)]
    assert rules == [(2, "privileges-gained"), (4, "privileged"), (5, "capability-added")]


MERGED = f"""\
x-tight: &tight
  cap_drop: [ALL]
  cap_add: [{NEEDED}, KILL]
  security_opt: [no-new-privileges, seccomp=seccomp.json]
services:
  a:
    <<: *tight
    image: capmin/nginx
  b:
    image: postgres:17
    uts: host
"""


def test_compose_merge_keys_and_several_services(check: Check) -> None:
    assert found(check, "compose.yaml", MERGED) == [
        (3, "warning", "capability-added"),
        (9, "note", "privileges-gained"),
        (9, "note", "no-result"),
        (11, "warning", "host-namespace"),
    ]


def changed_filter(adding: list[str], removing: str) -> str:
    document = json.loads((NGINX / "seccomp.json").read_text())
    rules = [
        {**rule, "names": [name for name in rule["names"] if name != removing]}
        for rule in document["syscalls"]
    ]
    added = [{"names": adding, "action": "SCMP_ACT_ALLOW"}] if adding else []
    return json.dumps({**document, "syscalls": [*rules, *added]})


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("seccomp=seccomp.json", []),
        ("seccomp=wider.json", [(6, "warning", "seccomp-wider")]),
        ("seccomp=observed.json", [(6, "note", "seccomp-wider")]),
        ("seccomp=narrow.json", [(6, "note", "privilege-missing")]),
        ("seccomp=elsewhere.json", [(6, "note", "filter-not-read")]),
        ("label=type:web", [(2, "warning", "seccomp-default")]),
    ],
)
def test_filters(check: Check, option: str, expected: Found) -> None:
    for name, adding, removing in (
        ("wider", ["bpf"], "bpf"),
        ("observed", ["sysinfo"], "sysinfo"),
        ("narrow", [], "accept4"),
    ):
        Path(f"{name}.json").write_text(changed_filter(adding, removing))
    text = COMPOSE_TIGHT.replace("seccomp=./seccomp.json", option)
    assert found(check, "compose.yaml", text) == expected


KUBERNETES = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      hostPID: true
      hostNetwork: true
      volumes:
        - {name: host, hostPath: {path: /var/run/docker.sock}}
        - {name: unused, hostPath: {path: /etc}}
      initContainers:
        - name: init
          image: capmin/nginx
          securityContext: {privileged: true}
      containers:
        - name: web
          image: capmin/nginx:latest
          securityContext:
            allowPrivilegeEscalation: false
            seccompProfile: {type: Unconfined}
            capabilities:
              drop: [ALL]
              add: [CHOWN, DAC_OVERRIDE, NET_BIND_SERVICE, SETGID, SETUID, NET_ADMIN]
          volumeMounts: [{name: host, mountPath: /run/docker.sock}]
---
apiVersion: v1
kind: Pod
metadata: {name: tight}
spec:
  securityContext:
    seccompProfile: {type: Localhost, localhostProfile: operator/seccomp.json}
  containers:
    - name: web
      image: capmin/nginx:latest
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL], add: [CHOWN, DAC_OVERRIDE, NET_BIND_SERVICE, SETGID, SETUID]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""


def test_kubernetes(check: Check) -> None:
    assert found(check, "web.yaml", KUBERNETES) == [
        (7, "error", "host-namespace"),
        (8, "warning", "host-namespace"),
        (13, "note", "privileges-gained"),
        (15, "error", "privileged"),
        (7, "error", "host-namespace"),
        (8, "warning", "host-namespace"),
        (10, "error", "runtime-socket"),
        (21, "error", "seccomp-off"),
        (24, "warning", "capability-added"),
    ]


def test_kubernetes_says_nothing_of_seccomp(check: Check) -> None:
    text = KUBERNETES.partition("---\n")[2].replace("seccompProfile", "x")
    assert found(check, "web.yaml", text) == [(8, "warning", "seccomp-off")]


QUADLET = """\
[Unit]
Description=web
# [Container] AddCapability=CAP_BPF

[Container]
Image=capmin/nginx:latest
DropCapability=all
AddCapability=CAP_CHOWN CAP_DAC_OVERRIDE CAP_NET_BIND_SERVICE \\
    CAP_SETGID CAP_SETUID
NoNewPrivileges=true
SeccompProfile=seccomp.json
Volume=data.volume:/data
"""


def test_quadlet(check: Check) -> None:
    assert found(check, "web.container", QUADLET) == []
    wide = QUADLET.replace("NoNewPrivileges=true", "AddCapability=CAP_SYS_TIME").replace(
        "SeccompProfile=seccomp.json",
        "SeccompProfile=unconfined\nNetwork=host\nPodmanArgs=--pid=host --cap-add sys_ptrace,kill\n"
        "Volume=%t/podman/podman.sock:/run/podman.sock\nAddDevice=/dev/fuse\nSecurityLabelDisable=true",
    )
    assert found(check, "web.container", wide) == [
        (5, "note", "privileges-gained"),
        (10, "warning", "capability-added"),
        (11, "error", "seccomp-off"),
        (12, "warning", "host-namespace"),
        (13, "warning", "capability-added"),
        (13, "error", "capability-added"),
        (13, "error", "host-namespace"),
        (14, "error", "runtime-socket"),
        (15, "warning", "device"),
        (16, "warning", "protection-off"),
    ]


def test_quadlet_an_empty_assignment_takes_back(check: Check) -> None:
    text = QUADLET.replace("[Container]\n", "[Container]\nAddCapability=CAP_BPF\nAddCapability=\n", 2)
    assert found(check, "web.container", text) == []


def test_podman_grants_eleven_by_default(check: Check) -> None:
    text = QUADLET.replace("DropCapability=all\n", "")
    _, output = check("web.container", text, "--format", "json")
    [kept] = json.loads(output)["findings"]
    assert kept["privileges"] == [
        f"CAP_{name}" for name in "FOWNER FSETID KILL SETFCAP SETPCAP SYS_CHROOT".split()
    ]


def inspected(**host: object) -> str:
    usual = {
        "Privileged": False,
        "CapAdd": [f"CAP_{name}" for name in NEEDED.split(", ")],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={(NGINX / 'seccomp.json').read_text()}"],
        "PidMode": "",
        "NetworkMode": "default",
        "IpcMode": "private",
        "Binds": None,
        "Devices": [],
        "MaskedPaths": ["/proc/kcore"],
    }
    config = {"Image": "capmin/nginx:latest"}
    return json.dumps([{"Name": "/web", "Config": config, "HostConfig": {**usual, **host}}], indent=4)


def test_docker_inspect(check: Check) -> None:
    assert found(check, "web.json", inspected()) == []
    wide = inspected(
        CapAdd=None,
        CapDrop=None,
        SecurityOpt=["seccomp=unconfined"],
        PidMode="host",
        Binds=["/:/host:ro", "data:/data"],
        MaskedPaths=[],
        Devices=[{"PathOnHost": "/dev/kvm", "PathInContainer": "/dev/kvm", "CgroupPermissions": "rwm"}],
    )
    assert {(level, rule) for _, level, rule in found(check, "web.json", wide)} == {
        ("note", "privileges-gained"),
        ("warning", "default-capabilities"),
        ("error", "seccomp-off"),
        ("error", "host-namespace"),
        ("warning", "host-path"),
        ("warning", "protection-off"),
        ("warning", "device"),
    }
    line = next(number for number, text in enumerate(wide.splitlines(), 1) if '"PidMode"' in text)
    assert (line, "error", "host-namespace") in found(check, "web.json", wide)


@pytest.mark.parametrize("image", ["capmin/nginx", "docker.io/capmin/nginx:latest", "capmin/nginx:1.29"])
def test_the_result_is_found_by_image(check: Check, image: str) -> None:
    other = (
        "  other: {image: other, cap_drop: [ALL], security_opt: [no-new-privileges, seccomp=seccomp.json]}\n"
    )
    text = COMPOSE_TIGHT.replace("capmin/nginx:latest", image) + other
    assert [rule for _, _, rule in found(check, "compose.yaml", text)] == ["no-result"]


def test_the_result_is_found_by_name(check: Check) -> None:
    text = COMPOSE_WIDE.replace("capmin/nginx:latest", "other:1") + "  b: {image: capmin/nginx, pid: host}\n"
    _, output = check("compose.yaml", text)
    assert "no result for other:1" in output
    assert main(["check", "compose.yaml", "--against", "web=nginx"]) == 0


def test_several_results_behind_against(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other").mkdir()
    other = {**RESULT, "image": {**RESULT["image"], "reference": "other:1"}}
    Path("other/result.json").write_text(json.dumps(other))
    text = COMPOSE_TIGHT + COMPOSE_TIGHT.partition("\n")[2].replace("web:", "b:").replace(
        "capmin/nginx", "other"
    )
    assert check("compose.yaml", text, "other") == (0, "nothing found in 2 containers\n")
    Path("more").mkdir()
    Path("more/result.json").write_text(json.dumps(RESULT))
    assert main(["check", "compose.yaml", "--against", "nginx", "more", "other"]) == 2
    assert "several results are for capmin/nginx:latest: say --against web=RESULT" in capsys.readouterr().err


def test_fail_on(check: Check) -> None:
    for level, code in (("never", 0), ("note", 1), ("warning", 1), ("error", 1)):
        assert check("compose.yaml", COMPOSE_WIDE, "--fail-on", level)[0] == code
    noted = COMPOSE_TIGHT.replace("no-new-privileges:true, ", "")
    for level, code in (("note", 1), ("warning", 0)):
        assert check("compose.yaml", noted, "--fail-on", level)[0] == code


def test_text_is_for_editors(check: Check) -> None:
    _, output = check("compose.yaml", COMPOSE_WIDE)
    assert (
        "compose.yaml:8: error: web: adds CAP_SYS_ADMIN, which the tests pass without "
        "[CAPMIN002 capability-added]"
    ) in output.splitlines()
    assert output.splitlines()[-1] == "4 errors, 7 warnings, 1 note in 1 container"


def test_sarif(check: Check) -> None:
    _, output = check("compose.yaml", COMPOSE_WIDE, "--format", "sarif")
    [run] = Sarif.model_validate_json(output).runs
    assert run.results is not None
    assert len(run.results) == 12
    assert len({str(result.partial_fingerprints) for result in run.results}) == 12
    document = json.loads(output)["runs"][0]
    rules = document["tool"]["driver"]["rules"]
    for result in document["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "compose.yaml"
        assert place["region"]["startLine"] >= 2
    assert [rule["id"] for rule in rules] == [rule.identifier for rule in RULES.values()]


def test_junit(check: Check) -> None:
    _, output = check("compose.yaml", COMPOSE_WIDE, "--format", "junit")
    suites = JUnitXml.fromstring(output.encode())
    [suite] = list(suites)
    failing = {case.name for case in suite if not case.is_passed}
    assert failing == {
        "capability-added",
        "default-capabilities",
        "device",
        "host-namespace",
        "host-path",
        "protection-off",
        "runtime-socket",
        "seccomp-off",
    }
    assert (suites.tests, suites.failures) == (suite.tests, suite.failures) == (len(RULES), len(failing))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("c.yaml", "services: [", "c.yaml:1: not YAML"),
        ("c.yaml", "a: 1\n", "c.yaml:1: neither a Compose file"),
        ("c.yaml", "services:\n  a:\n    cap_add: CHOWN\n", "c.yaml:3: has to be a list"),
        ("c.yaml", "services:\n  a:\n    cap_add: [NOPE]\n", "c.yaml:3: no such capability: 'NOPE'"),
        ("c.yaml", "services:\n  a: 1\n", "c.yaml:2: has to be a mapping"),
        ("c.yaml", "", "c.yaml starts no container"),
        ("c.yaml", "services: {}\n", "c.yaml starts no container"),
        ("c.json", "[{}]", "c.json:1: no HostConfig"),
        ("c.container", "[Unit]\n", "c.container: no [Container]"),
        ("c.container", "[Container]\nPodmanArgs=--x '\n", "c.container:2: PodmanArgs"),
    ],
)
def test_what_cannot_be_read(check: Check, name: str, content: str, words: str) -> None:
    code, output = check(name, content)
    assert code == 2
    assert words in output
    assert len(output.splitlines()) <= 2


def test_nothing_to_hold_it_against(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    check("compose.yaml", COMPOSE_TIGHT)
    assert main(["check", "compose.yaml"]) == 2
    assert "--against RESULT" in capsys.readouterr().err
    assert main(["check", "nowhere.yaml", "--against", "nginx"]) == 2
    assert "no such file: nowhere.yaml" in capsys.readouterr().err


def test_a_result_that_searched_no_system_calls_leaves_the_default_filter(check: Check) -> None:
    Path("nginx/result.json").write_text(json.dumps({**RESULT, "syscalls": None}))
    text = COMPOSE_TIGHT.replace(", seccomp=./seccomp.json", "")
    assert found(check, "compose.yaml", text) == []
    assert Profile.from_result({**RESULT, "syscalls": None}).syscalls is None
