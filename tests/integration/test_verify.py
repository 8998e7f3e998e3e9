"""``capmin verify`` on real containers.

- The certified profile of nginx holds; with any one of its elements taken out it does not, and that one is
  named, with what was denied.
- Profiles that others made are taken as they are: Docker's default, one by hand with all of Docker's dialect,
  an OCI configuration, one of security-profiles-operator.
- What the runtime itself lacks is named though nobody sees it denied, and so is what an engine cannot show.
- Nothing is left.

``data/nginx`` is what ``capmin search --workload workloads/nginx`` wrote. Should a new nginx need something
else, the first test says so; then search again and copy result.json and seccomp.json there.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capmin.cli import main
from capmin.engines import Engine
from capmin.engines.rootfs import RootfsCache
from capmin.privileges import Capability
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.profile_files import GivenProfile, Reading, read_profile
from capmin.scenario import Scenario, parse_command
from capmin.seccomp import docker_default
from capmin.verification import Verification, Wish, verify
from capmin.workload import build_recipe, load_workload
from tests.contract.images import contract_image

ROOT = Path(__file__).parents[2]
NGINX = ROOT / "workloads" / "nginx"
RESULT = Path(__file__).with_name("data") / "nginx"
DOCUMENT: dict[str, Any] = json.loads((RESULT / "result.json").read_text())
CERTIFIED: list[dict[str, Any]] = DOCUMENT["certificate"]
CAPABILITIES = ",".join(DOCUMENT["capabilities"]["required"])
RUNS = 1

Verify = Callable[..., Verification]


@pytest.fixture
def engine(open_real_engine: Callable[[str], Engine]) -> Engine:
    return open_real_engine("runc")


@pytest.fixture
def nginx(cache_dir: Path) -> str:
    with RootfsCache(cache_dir) as cache:
        return build_recipe(NGINX / "workload.toml", cache).reference


@pytest.fixture
def small(cache_dir: Path) -> str:
    with RootfsCache(cache_dir) as cache:
        return contract_image(cache)


@pytest.fixture
def hold(engine: Engine, nginx: str) -> Iterator[Verify]:
    """Holds a profile against the nginx workload."""
    with ThreadPoolExecutor(2) as executor:

        def hold(given: GivenProfile, runs: int = RUNS) -> Verification:
            scenarios = load_workload(NGINX).scenarios
            wish = Wish(image=nginx, scenarios=scenarios, given=given, runs=runs, workers=2)
            return verify(wish, engine, executor, lambda *_: None)

        yield hold


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str, object], str]:
    def write(name: str, content: object) -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def without(privilege: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    for kind in ("capabilities", "syscalls"):
        required = document[kind]["required"]
        document[kind]["required"] = [name for name in required if name != privilege]
    return document


READING = Reading(architecture="x86_64")


@pytest.mark.engine("runc")
def test_the_certified_profile_holds(hold: Verify) -> None:
    found = hold(read_profile(str(RESULT), READING), runs=10)
    assert (found.holds, found.launches.passed, found.launches.runs) == (True, 10, 10)
    assert found.harmless >= {"set_robust_list", "rseq"}


@pytest.mark.engine("runc")
@pytest.mark.parametrize("entry", CERTIFIED, ids=lambda entry: entry["privilege"])
def test_no_certified_element_can_go(
    hold: Verify, files: Callable[[str, object], str], entry: dict[str, Any]
) -> None:
    privilege = entry["privilege"]
    found = hold(read_profile(files("result.json", without(privilege)), READING))
    assert not found.holds
    [lack] = found.lacks
    assert lack.privilege == privilege
    assert lack.attempt is not None
    assert (lack.attempt.program, lack.attempt.syscall) == ("nginx", entry["denied"])
    assert lack.attempt.denied


def test_every_element_is_certified() -> None:
    required = {*DOCUMENT["capabilities"]["required"], *DOCUMENT["syscalls"]["required"]}
    assert {entry["privilege"] for entry in CERTIFIED} == required
    assert len(required) == 28


BY_HAND = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
        {"names": DOCUMENT["syscalls"]["floor"], "action": "SCMP_ACT_ALLOW"},
        {
            "names": DOCUMENT["syscalls"]["required"],
            "action": "SCMP_ACT_ALLOW",
            "includes": {"caps": ["CAP_CHOWN"], "arches": ["amd64"], "minKernel": "4.8"},
            "excludes": {"caps": ["CAP_SYS_ADMIN"]},
        },
    ],
}
OPERATOR = f"""
apiVersion: security-profiles-operator.x-k8s.io/v1
kind: SeccompProfile
metadata: {{name: nginx}}
spec:
  baseProfileName: runc-v1.4.2
  defaultAction: SCMP_ACT_ERRNO
  architectures: [SCMP_ARCH_X86_64]
  syscalls:
    - action: SCMP_ACT_ALLOW
      names: [exit, fchown, {", ".join(DOCUMENT["syscalls"]["required"])}]
    - {{action: SCMP_ACT_ERRNO, errnoRet: 38, names: [clone3, openat2, access, set_robust_list, rseq]}}
---
apiVersion: security-profiles-operator.x-k8s.io/v1
kind: ProfileBinding
metadata: {{name: nginx}}
spec: {{profileRef: {{kind: SeccompProfile, name: nginx}}, image: nginx}}
"""
OCI = {
    "ociVersion": "1.0.2",
    "process": {"capabilities": {"bounding": DOCUMENT["capabilities"]["required"]}},
    "linux": {"seccomp": {k: v for k, v in BY_HAND.items() if k != "archMap"}},
}


@pytest.fixture
def cli(
    cache_dir: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs ``capmin verify --format json``; gives the exit code, and the document or what stderr says."""
    monkeypatch.setenv("CAPMIN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("CAPMIN_STATE_DIR", str(state_dir))

    def run(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main(["verify", *argv, "--engine", "runc", "--format", "json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {"error": said.err}

    return run


CLI = Callable[..., tuple[int, dict[str, Any]]]


@pytest.mark.engine("runc")
@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("by-hand.json", BY_HAND, ["--capabilities", CAPABILITIES]),
        ("operator.yaml", OPERATOR, ["--capabilities", CAPABILITIES]),
        ("config.json", OCI, []),
        ("default.json", (ROOT / "capmin/data/docker-default-seccomp.json").read_text(), []),
    ],
    ids=["by hand", "operator", "OCI", "Docker's default"],
)
def test_profiles_of_others_hold(
    cli: CLI, files: Callable[[str, object], str], name: str, content: object, more: list[str]
) -> None:
    code, found = cli(files(name, content), *more, "--workload", str(NGINX), "-n", "2")
    assert (code, found["reason"], found["lacks"]) == (0, "", [])
    assert found["holds"]
    assert found["launches"]["passed"] == 2


@pytest.mark.long
@pytest.mark.engine("runc")
def test_dockers_default_has_a_name(cli: CLI) -> None:
    code, found = cli("docker-default", "--workload", str(NGINX), "-n", "1", "--capabilities", "none")
    assert code == 1
    assert {lack["privilege"] for lack in found["lacks"]} == set(DOCUMENT["capabilities"]["required"])


@pytest.mark.engine("runc")
def test_what_the_runtime_itself_lacks_is_named(cli: CLI, files: Callable[[str, object], str]) -> None:
    profile = json.loads(json.dumps(BY_HAND))
    for entry in profile["syscalls"]:
        entry["names"] = [name for name in entry["names"] if name not in ("close", "accept4")]
    argv = [files("profile.json", profile), "--capabilities", CAPABILITIES, "--workload", str(NGINX)]
    code, found = cli(*argv)
    assert code == 1
    seen = {lack["privilege"]: lack["program"] for lack in found["lacks"]}
    assert seen == {"accept4": "nginx", "close": None}
    assert "could not start it" in found["reason"]


@pytest.mark.engine("runc")
def test_conditions_on_arguments_count(engine: Engine, small: str) -> None:
    """A filter that lets a call through for some arguments only: no denial of it can be observed."""
    profile = docker_default(DOCKER_DEFAULT, "x86_64")
    perl = ["perl", "-e", "exit(syscall(135, 0x0020000) < 0)"]  # personality
    scenario = Scenario(test=parse_command(json.dumps(perl)))
    rules = tuple(
        rule for rule in profile.rules if "personality" not in rule.names or rule.conditions[0].value == 0x8
    )
    given = GivenProfile(
        source="test", kind="filter", capabilities=DOCKER_DEFAULT, seccomp=replace(profile, rules=rules)
    )
    with ThreadPoolExecutor(2) as executor:
        wish = Wish(image=small, scenarios=(scenario,), given=given, runs=1)
        found = verify(wish, engine, executor, lambda *_: None)
    assert [lack.privilege for lack in found.lacks] == ["personality"]


@pytest.mark.engine("runc")
def test_a_directory_counts_as_its_files_say(cli: CLI, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(DOCUMENT))
    written = (RESULT / "seccomp.json").read_text()
    (tmp_path / "seccomp.json").write_text(written.replace('"listen",', ""))
    code, found = cli(str(tmp_path), "--workload", str(NGINX), "-n", "1")
    assert code == 1
    assert [lack["privilege"] for lack in found["lacks"]] == ["listen"]


@pytest.mark.engine("runc")
def test_one_shot_in_text(cli: CLI, small: str, capsys: pytest.CaptureFixture[str]) -> None:
    del cli  # for its environment
    argv = ["verify", "docker-default", small, "--test", "chown 5 /tmp", "--capabilities", "SETUID"]
    assert main([*argv, "--engine", "runc", "-n", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("docker-default (Docker's default profile: 1 capability, ")
    assert lines[2] == "  does not hold 1 of 1 launches fail: test: the test ended with exit code 1"
    assert lines[3] == "  it said       chown: /tmp: Operation not permitted"
    assert lines[4] == "  lacks         CAP_CHOWN  chown in chown was denied it once (EPERM)"
    assert main([*argv[:-1], "CHOWN", "--engine", "runc", "-n", "2"]) == 0
    assert "  holds         2 of 2 launches pass" in capsys.readouterr().out


@pytest.mark.engine("runc")
def test_a_test_that_never_passes_is_no_finding(cli: CLI, small: str) -> None:
    code, said = cli("docker-default", small, "--test", "exit 3")
    assert code == 3
    assert "fail before anything is taken away" in said["error"]


@pytest.mark.long
@pytest.mark.engine("docker")
def test_an_engine_that_shows_no_system_calls(open_real_engine: Callable[[str], Engine], small: str) -> None:
    engine = open_real_engine("docker")
    default = docker_default(DOCKER_DEFAULT, engine.architecture)
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name != "mkdir")) for rule in default.rules
    )
    given = GivenProfile(
        source="test",
        kind="filter",
        capabilities=DOCKER_DEFAULT - {Capability("CAP_CHOWN")},
        seccomp=replace(default, rules=tuple(rule for rule in rules if rule.names)),
    )
    scenario = Scenario(test=parse_command("mkdir /tmp/new && chown 5 /tmp/new"))
    with ThreadPoolExecutor(2) as executor:
        wish = Wish(image=small, scenarios=(scenario,), given=given, runs=2, workers=2)
        found = verify(wish, engine, executor, lambda *_: None)
    assert [lack.privilege for lack in found.lacks] == ["CAP_CHOWN", "mkdir"]
