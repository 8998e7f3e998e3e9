"""``run.sh`` hands docker the profile's options, the user's own, the image and the command, word by word.

The script is run for real, with a stand-in for docker that prints its arguments, under every image name.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capmin.emit import write
from capmin.profile import Profile, Strictness
from tests.unit.emit.test_golden import golden_profile

NGINX = golden_profile("nginx")
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an awkward name, and in it a docker that prints what it was given."""
    directory = tmp_path_factory.mktemp("a dir; $(x) 'y'")
    echo = directory / "docker"
    echo.write_text(f"#!{sys.executable} -I\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    echo.chmod(0o755)
    return directory


def arguments(place: Path, profile: Profile, *given_words: str, image: str | None = None) -> list[str]:
    script = write(profile, "docker-run", place)
    environment = {"PATH": os.environ["PATH"], "CAPMIN_DOCKER": str(place / "docker")}
    if image is not None:
        environment["CAPMIN_IMAGE"] = image
    done = subprocess.run(
        [script, *given_words], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    words: list[str] = json.loads(done.stdout)
    return words


def test_the_profile_is_given_as_options(place: Path) -> None:
    capabilities = ["CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID"]
    assert arguments(place, NGINX) == [
        "run",
        "--rm",
        "--cap-drop",
        "ALL",
        *(word for name in capabilities for word in ("--cap-add", name)),
        "--security-opt",
        f"seccomp={place}/seccomp.json",
        "--sysctl",
        "net.ipv4.ip_unprivileged_port_start=1024",
        "--",
        "nginx:1",
    ]


def test_words_before_the_dashes_are_options_and_words_after_are_the_command(place: Path) -> None:
    words = arguments(place, NGINX, "-d", "-e", "A=b c", "--", "sh", "-c", "echo 'x' --", "--")
    assert words[-9:] == ["-d", "-e", "A=b c", "--", "nginx:1", "sh", "-c", "echo 'x' --", "--"]


def test_another_image_can_be_named(place: Path) -> None:
    assert arguments(place, NGINX, image="-x $(touch pwned)")[-2:] == ["--", "-x $(touch pwned)"]


def test_what_was_not_searched_is_left_to_docker(place: Path) -> None:
    words = arguments(place, replace(NGINX, capabilities=None, required=None))
    assert words[2:] == ["--sysctl", "net.ipv4.ip_unprivileged_port_start=1024", "--", "nginx:1"]


def test_observed_uses_its_own_document(place: Path) -> None:
    assert f"seccomp={place}/seccomp-observed.json" in arguments(place, NGINX.at(Strictness.OBSERVED))


@pytest.mark.parametrize(
    "name",
    ["a\ntouch pwned\n", "it's", "$(touch pwned)", "`touch pwned`", "a}b", "--privileged", "\\", 'a"b'],
)
def test_hostile_image_names_stay_names(place: Path, name: str) -> None:
    assert arguments(place, replace(NGINX, image=name))[-2:] == ["--", name]
    assert not (Path.cwd() / "pwned").exists()


@settings(max_examples=20, deadline=None)  # two processes an example
@given(
    name=WORDS.filter(bool),
    options=st.lists(WORDS.filter(lambda word: word != "--")),
    command=st.lists(WORDS),
)
def test_words_are_handed_on_unchanged(
    place: Path, name: str, options: list[str], command: list[str]
) -> None:
    words = arguments(place, replace(NGINX, image=name), *options, "--", *command)
    assert words[-len(options) - 2 - len(command) :] == [*options, "--", name, *command]
