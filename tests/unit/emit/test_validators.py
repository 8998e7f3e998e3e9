"""Each format passes the validator that its own people check it with, in every case that it can be in.

The cases are the golden profiles, all that a profile can hold at once, nothing searched, and nothing granted.
A validator that takes everything proves nothing: each is seen to refuse a file that is wrong in one word.
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from capmin.emit import emit, file_name
from capmin.errors import UsageError
from capmin.portable import Runtime
from capmin.privileges.capability import CAPABILITIES
from capmin.profile import Strictness
from tests.conftest import missing
from tests.unit.emit.readers import words, yaml
from tests.unit.emit.test_golden import golden_profile

SCHEMAS = Path(__file__).with_name("schemas")
NGINX, PING = golden_profile("nginx"), golden_profile("ping")
CASES = {
    "nginx": NGINX,
    "ping": PING,
    "observed": NGINX.at(Strictness.OBSERVED),
    "hardened": replace(NGINX, no_new_privileges=True, user="1000:1000", name="web"),
    "everywhere": replace(NGINX, targets=("x86_64", "arm64"), runtime=Runtime.BOTH),
    "everything": replace(NGINX, capabilities=frozenset(CAPABILITIES)),
    "no capability": replace(NGINX, capabilities=frozenset()),
    "capabilities only": replace(NGINX, required=None),
    "system calls only": replace(NGINX, capabilities=None),
}


def programs(name: str) -> str:
    """A host program, also where other users than root do not look."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return found or missing(f"{name} is missing: .ci/setup-packages {name}")


def texts(file_format: str) -> dict[str, str]:
    """The file of each case that has one."""
    found = {}
    for name, profile in CASES.items():
        try:
            found[name] = emit(profile, file_format)
        except UsageError:
            assert profile.required is None or profile.capabilities is None, name
    return found


def run(*argv: str | Path, **rest: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - subprocess's
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, **rest)


def test_compose_files_pass_check_jsonschema(tmp_path: Path) -> None:
    files = []
    for name, text in texts("compose").items():
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(text)
    validator = Path(sys.executable).with_name("check-jsonschema")
    arguments = [str(validator), "--builtin-schema", "vendor.compose-spec", "--no-cache"]
    done = run(*arguments, *files)
    assert (done.returncode, done.stdout.strip()) == (0, "ok -- validation done")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(files[0].read_text().replace("cap_drop", "cap_drops"))
    assert "cap_drops" in run(*arguments, wrong).stdout


def test_pods_pass_kubernetes_validate() -> None:
    for text in texts("kubernetes").values():
        for version in ("1.25", "1.37"):
            kubernetes_validate.validate(yaml(text), version, strict=True)
    wrong = emit(NGINX, "kubernetes").replace("localhostProfile", "localHostProfile")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(yaml(wrong), "1.37", strict=True)


def crd() -> dict[str, Any]:
    """The operator's schema; what it does not know is an error here: the API server drops it in silence."""
    [version] = [
        entry
        for entry in yaml((SCHEMAS / "seccompprofile.yaml").read_text())["spec"]["versions"]
        if entry["name"] == "v1"
    ]
    schema: dict[str, Any] = copy.deepcopy(version["schema"]["openAPIV3Schema"])
    _close(schema["properties"]["spec"])
    return schema


def _close(schema: dict[str, Any]) -> None:
    if "properties" in schema:
        schema["additionalProperties"] = False
        for child in schema["properties"].values():
            _close(child)
    elif "items" in schema:
        _close(schema["items"])


def test_seccomp_profiles_pass_the_operators_schema() -> None:
    validator = jsonschema.Draft202012Validator(crd())
    for text in texts("security-profiles-operator").values():
        resource = yaml(text)
        validator.validate(resource)
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", resource["metadata"]["name"])
        for rule in resource["spec"]["syscalls"]:  # x-kubernetes-list-type: set
            assert len(rule["names"]) == len(set(rule["names"]))
    wrong = yaml(emit(NGINX, "security-profiles-operator").replace("errnoRet", "errno"))
    assert not validator.is_valid(wrong)


@pytest.fixture(scope="module")
def runtime_spec() -> jsonschema.Draft4Validator:
    documents = {path.name: json.loads(path.read_text()) for path in (SCHEMAS / "oci").glob("*.json")}
    resources = [
        (name, Resource.from_contents(document, default_specification=DRAFT4))
        for name, document in documents.items()
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    return jsonschema.Draft4Validator(documents["config-schema.json"], registry=registry)


def test_fragments_pass_the_runtime_specs_schema(runtime_spec: jsonschema.Draft4Validator) -> None:
    for text in texts("oci").values():
        document = json.loads(text)
        # A fragment: what it is laid over has these two, which the schema asks for.
        document["process"] |= {"cwd": "/", "args": ["true"]}
        runtime_spec.validate(document)
    document["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_NOPE"
    assert not runtime_spec.is_valid(document)


def test_profiles_pass_apparmor_parser(tmp_path: Path) -> None:
    parser = programs("apparmor_parser")
    for name, text in texts("apparmor").items():
        path = tmp_path / name.replace(" ", "-")
        path.write_text(text)
        # -Q loads nothing, -K and -T use no cache: works without AppArmor in the kernel.
        done = run(parser, "-Q", "-K", "-T", path)
        said = [line for line in done.stderr.splitlines() if not line.startswith("Cache read/write disabled")]
        assert (done.returncode, said) == (0, [])
    path.write_text(emit(NGINX, "apparmor").replace("capability chown", "capability chwon"))
    assert run(parser, "-Q", "-K", "-T", path).returncode == 1


class Units:
    """A service under each case's drop-in, where systemd can be asked about it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked = {"SYSTEMD_UNIT_PATH": f"{root}:", "PATH": os.environ["PATH"]}
        for name, text in texts("systemd").items():
            self.add(name.replace(" ", "-"), text)

    def add(self, name: str, text: str) -> None:
        unit = self.root / f"capmin-{name}.service"
        unit.write_text("[Service]\nExecStart=/bin/true\n")
        drop_in = unit.with_suffix(".service.d") / file_name("systemd")
        drop_in.parent.mkdir()
        drop_in.write_text(text)

    def dump(self, name: str) -> dict[str, str]:
        """What a systemd makes of the unit, by its own word. As another user: root is refused."""
        argv = ["/lib/systemd/systemd", "--test", "--system", f"--unit=capmin-{name}.service"]
        if os.geteuid() == 0:
            argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
        done = run(*argv, env=self.asked)
        assert done.returncode == 0, done.stderr
        unit = done.stdout.partition(f"-> Unit capmin-{name}.service:")[2].partition("-> Unit ")[0]
        pairs = (line.strip().partition(": ") for line in unit.splitlines())
        return {key: value for key, _, value in pairs}


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Units:
    root = tmp_path_factory.mktemp("units")
    for directory in (root, *root.parents):
        if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o055)
    return Units(root)


def test_drop_ins_pass_systemd_analyze(units: Units) -> None:
    names = sorted(path.name for path in units.root.glob("*.service"))
    # verify exits with 0 on names that it does not know, but says so.
    done = run(programs("systemd-analyze"), "verify", "--man=no", *names, env=units.asked)
    said = [line for line in done.stderr.splitlines() if "capmin-" in line]
    assert (done.returncode, said) == (0, [])
    units.add("wrong", emit(NGINX, "systemd").replace("accept4", "accept5"))
    done = run(programs("systemd-analyze"), "verify", "--man=no", "capmin-wrong.service", env=units.asked)
    assert "accept5" in done.stderr


@pytest.mark.parametrize("case", ["nginx", "everything"])
def test_systemd_reads_what_was_meant(units: Units, case: str) -> None:
    profile, seen = CASES[case], units.dump(case)
    read = {f"CAP_{name.upper().removeprefix('CAP_')}" for name in seen["CapabilityBoundingSet"].split()}
    assert read == profile.granted
    # systemd adds its group @default of its own accord, which has names of other architectures, too.
    assert words([seen["SystemCallFilter"]]) >= (profile.syscalls or set())
    assert {"ptrace", "mount", "unshare", "bpf"} & words([seen["SystemCallFilter"]]) == set()
    assert seen["SystemCallErrorNumber"] == "ENOSYS"


def test_systemd_lets_glibc_fall_back_from_clone3(units: Units) -> None:
    seen = units.dump("ping")
    assert seen["SystemCallErrorNumber"] == "EPERM"
    assert "clone3:ENOSYS" in seen["SystemCallFilter"].split()


@pytest.mark.parametrize("file_format", ["docker-run", "podman-run"])
def test_shellcheck_has_nothing_to_say(file_format: str, shellcheck: str) -> None:
    for text in texts(file_format).values():
        # SC2016 doubts that a $ in single quotes is meant; in a hostile image name it is.
        done = run(shellcheck, "--shell=sh", "--exclude=SC2016", "-", input=text)
        assert (done.returncode, done.stdout) == (0, "")


Generator = Callable[[Path], subprocess.CompletedProcess[str]]


def test_quadlet_takes_the_units(tmp_path: Path, podman_generator: Generator) -> None:
    for name, text in texts("quadlet").items():
        (tmp_path / f"{name.replace(' ', '-')}.container").write_text(text)
    done = podman_generator(tmp_path)
    assert done.returncode == 0, done.stderr
    for name, profile in CASES.items():
        service = done.stdout.partition(f"---{name.replace(' ', '-')}.service---")[2].partition("\n---")[0]
        [line] = [line for line in service.splitlines() if line.startswith("ExecStart=")]
        added = set(re.findall(r"--cap-add (cap_[a-z_]+)", line))
        assert added == {capability.lower() for capability in profile.granted}
        assert "--cap-drop all" in line
        assert ("--security-opt seccomp=" in line) == (profile.required is not None)
        assert bool(re.search("--security-opt[ =]no-new-privileges", line)) == profile.no_new_privileges


def test_quadlet_refuses_what_it_does_not_know(tmp_path: Path, podman_generator: Generator) -> None:
    wrong = emit(NGINX, "quadlet").replace("DropCapability", "DropCapabilities")
    (tmp_path / "wrong.container").write_text(wrong)
    done = podman_generator(tmp_path)
    assert done.returncode == 1
    assert "unsupported key 'DropCapabilities'" in done.stderr
