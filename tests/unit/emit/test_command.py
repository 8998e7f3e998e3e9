"""``capmin emit``: a result in, files out; and every mistake said in a line or two, with exit code 2.

- A result is given as a file, or as the directory that it is in.
- One format goes to stdout or a file, all to a directory, where references between files hold.
- What was not searched is left out of all, with the reason, and refused alone.
- Warnings go to stderr, so that what is on stdout stays a file.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from capmin.cli import main
from capmin.emit import EMITTERS, file_name
from capmin.emit.names import label
from capmin.output import PROFILES, OutputDirectory
from capmin.profile import Profile, Strictness
from tests.unit.emit.test_golden import GOLDEN, golden_profile

NGINX = GOLDEN / "nginx"


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A result that a test may change."""
    path = tmp_path / "result.json"
    path.write_text((NGINX / "result.json").read_text())
    return path


def change(path: Path, **changes: Any) -> None:  # noqa: ANN401 - JSON
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("given", [NGINX, NGINX / "result.json"])
def test_a_format_goes_to_stdout(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", str(given), "--format", "docker-seccomp"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads((NGINX / "seccomp.json").read_text())
    assert err == ""


def test_a_format_goes_to_a_file_and_a_script_is_executable(tmp_path: Path) -> None:
    path = tmp_path / "start.sh"
    assert main(["emit", str(NGINX), "--format", "docker-run", "-o", str(path)]) == 0
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("strictness", Strictness)
def test_all_formats_go_to_a_directory(
    strictness: Strictness, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "new" / "profiles"
    argv = ["emit", str(NGINX), "--format", "all", "-o", str(place), "--strictness", strictness.value]
    assert main(argv) == 0
    names = {file_name(file_format, strictness) for file_format in EMITTERS}
    assert {path.name for path in place.iterdir()} == names
    assert capsys.readouterr().out.split() == [str(place / file_name(name, strictness)) for name in EMITTERS]
    for name in ("docker-run", "compose", "podman-run"):
        assert (
            f"/{file_name('docker-seccomp', strictness)}" in (place / file_name(name, strictness)).read_text()
        )


def test_options_decide_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["emit", str(NGINX), "--format", "compose", "--name", "web", "--no-new-privileges"]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "\n  web:\n" in out
    assert "no-new-privileges:true" in out
    assert "no-new-privileges was not tried" in err


def test_architectures_and_runtime_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["emit", str(NGINX), "--format", "docker-seccomp", "--runtime", "both"]
    assert main([*argv, "--arch", "amd64", "--arch", "arm64", "--arch", "amd64"]) == 0
    out, err = capsys.readouterr()
    found = [entry["architecture"] for entry in json.loads(out)["archMap"]]
    assert found == ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]
    assert "needed by crun itself" in out
    assert "arm64 lacks" in err


def test_what_was_not_searched_is_left_out_with_the_reason(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(result, syscalls=None)
    place = tmp_path / "out"
    assert main(["emit", str(result), "--format", "all", "-o", str(place)]) == 0
    left_out = {"docker-seccomp", "security-profiles-operator"}
    assert {path.name for path in place.iterdir()} == {file_name(name) for name in EMITTERS.keys() - left_out}
    assert "docker-seccomp left out: the system calls of nginx:1 were not searched" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file_format", "missing", "words"),
    [
        ("docker-seccomp", "syscalls", "run capmin search with --syscalls"),
        ("security-profiles-operator", "syscalls", "run capmin search with --syscalls"),
        ("apparmor", "capabilities", "run capmin search with --capabilities"),
    ],
)
def test_a_format_about_what_was_not_searched_is_refused(
    result: Path, file_format: str, missing: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(result, **{missing: None})
    assert main(["emit", str(result), "--format", file_format]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/nowhere", "--format", "oci"], "cannot read /nowhere: No such file"),
        ([str(GOLDEN), "--format", "oci"], "result.json: No such file"),
        ([str(GOLDEN / "README.md"), "--format", "oci"], "is not a result of capmin search"),
        ([str(NGINX / "seccomp.json"), "--format", "oci"], "not a result of capmin search: schema is None"),
        ([str(NGINX), "--format", "all"], "name a directory with -o"),
        ([str(NGINX), "--format", "all", "-o", "/dev/null/x"], "cannot make /dev/null/x: Not a directory"),
        ([str(NGINX), "--format", "oci", "-o", "/nowhere/x"], "cannot write /nowhere/x: No such file"),
        ([str(NGINX), "--format", "oci", "--name", "My Web"], "--name 'My Web'"),
        ([str(NGINX), "--format", "helm"], "helm"),
    ],
)
def test_mistakes_are_said(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", *argv]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


def test_a_search_leaves_every_format_in_both_strengths(tmp_path: Path) -> None:
    OutputDirectory(tmp_path).write_profile(golden_profile("nginx"))
    names = {file_name(name, strictness) for name in EMITTERS for strictness in Strictness}
    assert {path.name for path in (tmp_path / PROFILES).iterdir()} == names


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx:1", "nginx"),
        ("registry.example:5000/team/My_Web:1.2@sha256:00", "my-web"),
        ("docker-archive:/tmp/web.tar", "web-tar"),
        ("über/€", "image"),
        ("x" * 80, "x" * 63),
    ],
)
def test_things_are_called_after_the_image(image: str, name: str) -> None:
    profile = Profile(
        image=image,
        digest="",
        architecture="x86_64",
        capabilities=None,
        required=None,
        searched_by="",
    )
    assert label(profile) == name
