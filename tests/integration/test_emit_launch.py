"""The emitted files do what they say, in the hands of the programs that they are for.

- Under each file the image's test passes, and the kernel confirms capabilities and filter.
- With one privilege less in the profile it fails: so it is the file that decides.
- Docker 20.10 and later behave alike. crun starts with its own calls granted, and does not without.
- Labels are in an image that is built with them.

The profile is that of a real search (`chown_result.json`): CAP_CHOWN and four system calls.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from docker import DockerClient

from capmin.emit import emit, file_name, write_all
from capmin.engines import Engine, Image
from capmin.engines.docker import DockerEngine
from capmin.engines.rootfs import RootfsCache
from capmin.errors import EngineError
from capmin.portable import Runtime
from capmin.privileges.capability import from_mask, to_mask
from capmin.profile import Profile, Strictness
from tests.conftest import missing
from tests.contract.images import contract_image
from tests.debian_programs import program_of

LIMIT_S = 60.0
FOUND = Profile.from_result(json.loads(Path(__file__).with_name("chown_result.json").read_text()))
# What was searched with, but for the place: /dev/shm is writable everywhere, and gone afterwards.
TEST = ("sh", "-c", "echo x >/dev/shm/mine && chown 33 /dev/shm/mine && cat /proc/self/status")


def without(profile: Profile, privilege: str) -> Profile:
    return replace(
        profile,
        capabilities=frozenset(name for name in profile.capabilities or () if name != privilege),
        required=frozenset(name for name in profile.required or () if name != privilege),
    )


CASES = {
    "as found": FOUND,
    "observed": FOUND.at(Strictness.OBSERVED),
    "portable": replace(FOUND, targets=("x86_64", "arm64"), runtime=Runtime.BOTH),
    "without CAP_CHOWN": without(FOUND, "CAP_CHOWN"),
    "without a call": without(FOUND, "chown"),
}
CHOWN_SAID = {"without CAP_CHOWN": "Operation not permitted", "without a call": "Function not implemented"}


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a launch of the test came to."""

    code: int
    output: str


class Launcher(Protocol):
    """Launches the image's test under the emitted file of one format."""

    def __call__(self, profile: Profile, place: Path) -> Done: ...


def run(*argv: str | Path, **environment: str) -> Done:
    done = subprocess.run(
        argv,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    return Done(code=done.returncode, output=done.stdout + done.stderr)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return found or missing(f"{name} is missing: .ci/setup-packages {name}")


@pytest.fixture(scope="module")
def image(cache_dir: Path) -> Iterator[Image]:
    try:
        with RootfsCache(cache_dir) as cache:
            yield cache.image(contract_image(cache))
    except EngineError as error:
        missing(str(error))


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A Docker daemon that has the image."""

    address: str
    image: str


@pytest.fixture(scope="module")
def daemons(open_real_engine: Callable[[str], Engine], image: Image) -> Callable[[str], Daemon]:
    def daemon(name: str) -> Daemon:
        engine = open_real_engine(name)
        assert isinstance(engine, DockerEngine)
        return Daemon(address=engine.address, image=engine.image(image.reference).handle)

    return daemon


def docker_run(daemon: Daemon, profile: Profile, place: Path) -> Done:
    script = place / file_name("docker-run", profile.strictness)
    return run(
        script,
        "--network=none",
        "--",
        *TEST,
        DOCKER_HOST=daemon.address,
        CAPMIN_IMAGE=daemon.image,
        CAPMIN_DOCKER=program("docker"),
    )


def compose(daemon: Daemon, docker_compose: Path, profile: Profile, place: Path) -> Done:
    """A Compose file that knows nothing of privileges, and the override."""
    service = {"image": daemon.image, "command": list(TEST), "network_mode": "none"}
    (place / "compose.yaml").write_text(json.dumps({"services": {"contract": service}}))
    override = file_name("compose", profile.strictness)
    argv: list[str | Path] = [
        docker_compose,
        "-p",
        f"capmin-{uuid.uuid4().hex[:8]}",
        "-f",
        "compose.yaml",
        "-f",
        override,
    ]
    argv += ["--project-directory", place, "run", "--rm", "-T", "contract"]
    here = [place / word if word in ("compose.yaml", override) else word for word in argv]
    return run(*here, DOCKER_HOST=daemon.address)


def bundle(runtime: tuple[str, ...], tree: Path, profile: Profile, place: Path) -> Done:
    """What ``runc spec`` makes, without what it says of privileges, under the fragment."""
    run(program("runc"), "spec", "--bundle", place)
    config = json.loads((place / "config.json").read_text())
    fragment = json.loads((place / file_name("oci", profile.strictness)).read_text())
    for key in ("capabilities", "noNewPrivileges", "rlimits"):
        config["process"].pop(key)
    config["process"] |= {**fragment["process"], "terminal": False, "args": list(TEST)}
    config["linux"] |= fragment["linux"]
    config["root"] = {"path": str(tree), "readonly": True}
    # No control groups: crun refuses hosts with both versions of them.
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "cgroup"]
    (place / "config.json").write_text(json.dumps(config))
    return run(
        *runtime, "--root", place / "state", "run", "--bundle", place, f"capmin-{uuid.uuid4().hex[:8]}"
    )


def crun() -> tuple[str, ...]:
    """crun where it sees no control groups at all, and makes none."""
    hide = 'mount -t tmpfs none /sys/fs/cgroup; exec "$@"'
    alone = ("unshare", "--mount", "--propagation=private", "sh", "-c", hide, "sh")
    return (*alone, program("crun"), "--cgroup-manager=disabled")


def nspawn(tree: Path, profile: Profile, place: Path) -> Done:
    """The file is heeded in /etc and /run only; the machine's name says which."""
    name = f"capmin-{uuid.uuid4().hex[:8]}"
    settings = Path("/run/systemd/nspawn") / f"{name}.nspawn"
    settings.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(place / file_name("nspawn", profile.strictness), settings)
    try:
        options = ("--quiet", "--register=no", "--keep-unit", "--volatile=overlay", "--as-pid2", "--pipe")
        argv = (program("systemd-nspawn"), *options, f"--machine={name}", f"--directory={tree}")
        return run(*argv, *TEST)
    finally:
        settings.unlink()
        shutil.rmtree(Path("/run/systemd/nspawn/propagate") / name, ignore_errors=True)


def podman_run(podman: Path, profile: Profile, place: Path) -> Done:
    """Podman sets limits on resources that a host without CAP_SYS_RESOURCE cannot raise: lower ones here."""
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none")
    script = place / file_name("podman-run", profile.strictness)
    return run(script, *limits, "--", *TEST, CAPMIN_PODMAN=str(podman), CAPMIN_IMAGE="localhost/contract")


@pytest.fixture(scope="module")
def podman(image: Image) -> Iterator[Path]:
    """A podman with a storage of its own, and the image in it."""
    # Podman refuses a runroot of more than 50 characters, which pytest's own directories may have.
    with tempfile.TemporaryDirectory(prefix="capmin-podman-") as name:
        place = Path(name)
        wrapper = place / "podman"
        own = f"--root {place}/root --runroot {place}/run --tmpdir {place}/state"
        wrapper.write_text(
            f"#!/bin/sh\nexec {program('podman')} {own} --storage-driver vfs --cgroup-manager cgroupfs "
            '--events-backend none "$@"\n'
        )
        wrapper.chmod(0o755)
        archive = place / "image.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(image.handle, arcname=".")
        done = run(wrapper, "import", archive, "localhost/contract:latest")
        assert done.code == 0, done.output
        yield wrapper


@pytest.fixture(scope="module")
def tree(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the image's files: nspawn locks what it uses, and runc makes /proc and /sys in it."""
    copy = tmp_path_factory.mktemp("nspawn") / "tree"
    shutil.copytree(image.handle, copy, symlinks=True)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def launcher(name: str, request: pytest.FixtureRequest) -> Launcher:
    if name in ("docker", "docker-modern"):
        return partial(docker_run, request.getfixturevalue("daemons")(name))
    if name == "compose":
        cache_dir = request.getfixturevalue("cache_dir")
        found = program_of("docker-compose", "usr/libexec/docker/cli-plugins/docker-compose", cache_dir)
        return partial(compose, request.getfixturevalue("daemons")("docker"), found)
    if name == "podman":
        return partial(podman_run, request.getfixturevalue("podman"))
    if os.geteuid() != 0:
        missing(f"{name} needs root")
    tree = request.getfixturevalue("tree")
    if name == "nspawn":
        return partial(nspawn, tree)
    return partial(bundle, (program("runc"),) if name == "runc" else crun(), tree)


def launchable(name: str, case: str) -> Profile:
    """The profile of a case for the runtime at hand; crun itself needs chown, so it lacks another call."""
    profile = replace(CASES[case], name="contract")
    if name == "crun":
        profile = without(FOUND, "clone") if case == "without a call" else profile
        return replace(profile, runtime=Runtime.CRUN)
    return profile


def complaint(name: str, case: str) -> str:
    """What the test says of what it lacks; nspawn denies with EPERM, whatever is asked for."""
    if (name, case) == ("crun", "without a call"):
        return "sh: can't fork: Function not implemented"
    said = CHOWN_SAID["without CAP_CHOWN" if name == "nspawn" else case]
    return f"chown: /dev/shm/mine: {said}"


# Two seconds each; and Podman would take crun for a profile that fits both, which refuses some hosts.
SLOW = ("compose", "podman")
LAUNCHES = [
    (name, case)
    for name in ("docker", "docker-modern", "runc", "crun", "nspawn", *SLOW)
    for case in CASES
    if name not in SLOW or case not in ("observed", "portable")
]


@pytest.mark.parametrize(("name", "case"), LAUNCHES)
def test_the_image_works_under_the_file_and_not_under_less(
    launcher: Launcher, name: str, case: str, tmp_path: Path
) -> None:
    profile = launchable(name, case)
    write_all(profile, tmp_path)
    done = launcher(profile, tmp_path)
    if case.startswith("without"):
        assert done.code != 0
        assert complaint(name, case) in done.output
        return
    assert done.code == 0, done.output
    status = dict(line.split(":\t") for line in done.output.splitlines() if ":\t" in line)
    assert from_mask(int(status["CapBnd"].strip(), 16)) == profile.capabilities
    assert int(status["CapEff"].strip(), 16) == to_mask(profile.granted)
    assert status["Seccomp"].strip() == "2"


def test_crun_needs_calls_that_runc_does_not(tree: Path, tmp_path: Path) -> None:
    write_all(FOUND, tmp_path)
    done = bundle(crun(), tree, FOUND, tmp_path)
    assert done.code != 0
    assert "Function not implemented" in done.output


@pytest.mark.engine("docker")
def test_labels_are_in_an_image_built_with_them(daemons: Callable[[str], Daemon]) -> None:
    client = DockerClient(base_url=daemons("docker").address)
    try:
        lines = f"FROM {daemons('docker').image}\n" + emit(FOUND, "podman-labels")
        tag = f"capmin-test-{uuid.uuid4().hex[:8]}"
        built, _ = client.images.build(fileobj=io.BytesIO(lines.encode()), tag=tag, rm=True)
        try:
            labels: dict[str, Any] = built.labels
        finally:
            client.images.remove(tag)
    finally:
        client.close()
    assert labels["io.containers.capabilities"] == "CHOWN"
    assert json.loads(labels["io.containers.seccomp.profile"]) == FOUND.seccomp().to_oci()
