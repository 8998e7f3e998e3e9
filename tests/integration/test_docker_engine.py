"""What only the docker engine has to do with: daemons elsewhere, daemons that fail, and what a daemon keeps.

- A remote daemon launches all the same; what cannot be seen from here is not claimed.
- What runs in a container is read from its control group, and is what `ps` of a remote daemon says.
- A daemon that does not answer is an error that says what to do; one that comes back is used again.
- A launch is never judged from a connection that broke.
- Containers of dead processes are removed at the next start; those of the living, and of other hosts, stay.
- Images are found by name, loaded from files once, or missed with a word about what to do.
- Nothing of a launch stays with the daemon: no output, no volume; and an image's health check does not run.
"""

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import APIClient

from capmin.engines import Engine, EngineOptions, Exit, Image, LaunchSpec, Process
from capmin.engines.docker import DockerEngine
from capmin.engines.docker.container import DockerContainer
from capmin.engines.docker.owner import OWNER, Owner
from capmin.engines.image_archive import write_docker_archive
from capmin.engines.rootfs import RootfsCache
from capmin.errors import EngineError, ImageError
from capmin.grant import Grant
from capmin.privileges import Capability
from tests.conftest import Engines
from tests.contract.images import contract_image
from tests.integration.forwarder import Forwarder

pytestmark = pytest.mark.engine("docker")

NOTHING = Grant(capabilities=frozenset())
LIMIT_S = 30.0


@pytest.fixture(scope="module")
def address(open_real_engine: Callable[[str], Engine]) -> str:
    engine = open_real_engine("docker")
    assert isinstance(engine, DockerEngine)
    if not engine.address.startswith("unix://"):
        pytest.fail(f"these tests need a local daemon, not {engine.address}")
    return engine.address


@pytest.fixture
def client(address: str) -> Iterator[APIClient]:
    client = APIClient(base_url=address, version="auto")
    yield client
    client.close()


@pytest.fixture(scope="module")
def options(engines: Engines, address: str) -> EngineOptions:
    return replace(engines.options("docker"), docker_host=address)


@pytest.fixture(scope="module")
def engine(options: EngineOptions) -> Iterator[DockerEngine]:
    with DockerEngine(options) as engine:
        yield engine


@pytest.fixture(scope="module")
def forwarder(address: str) -> Iterator[Forwarder]:
    with Forwarder(address.removeprefix("unix://")) as forwarder:
        yield forwarder


@pytest.fixture(scope="module")
def remote(options: EngineOptions, forwarder: Forwarder) -> Iterator[DockerEngine]:
    with DockerEngine(replace(options, docker_host=forwarder.address)) as engine:
        yield engine


@pytest.fixture(scope="session")
def plain(cache_dir: Path) -> Iterator[Image]:
    with RootfsCache(cache_dir) as cache:
        yield cache.image(contract_image(cache))


def spec(image: Image, *argv: str) -> LaunchSpec:
    return LaunchSpec(image=image, argv=argv or None, denied_errno=errno.ENOSYS)


def test_a_remote_daemon_launches_and_claims_nothing_unseen(remote: DockerEngine, plain: Image) -> None:
    image = remote.image(plain.reference)
    with remote.start(spec(image, "sleep", "600"), NOTHING) as container:
        assert container.granted() is None
        container.signal(9)
        assert container.wait(LIMIT_S) == Exit(code=137)
    assert not remote.observes_syscalls


def test_what_runs_is_the_same_read_here_and_told_by_a_remote_daemon(
    engine: DockerEngine, remote: DockerEngine, client: APIClient, plain: Image
) -> None:
    for here in (engine, remote):
        image = here.image(plain.reference)
        with here.start(spec(image, "sh", "-c", "sleep 60 & sleep 60 & wait"), NOTHING) as container:
            assert isinstance(container, DockerContainer)
            deadline = time.monotonic() + LIMIT_S
            while names(found := container.processes()) != ["sh", "sleep", "sleep"]:
                assert time.monotonic() < deadline, found
            listed = client.top(container.identity, ps_args="-eo pid,ppid,euid,comm")["Processes"]
        told = {(str(each.pid), str(each.parent), str(each.uid), each.name) for each in found}
        assert told == set(map(tuple, listed))


def names(processes: tuple[Process, ...]) -> list[str]:
    return sorted(process.name for process in processes)


def test_the_ceiling_of_a_remote_daemon_is_found_by_trying(
    remote: DockerEngine, engine: DockerEngine
) -> None:
    assert remote.ceiling == engine.ceiling
    assert Capability("CAP_CHOWN") in remote.ceiling


def test_no_daemon_is_an_error_that_says_what_to_do(options: EngineOptions) -> None:
    with pytest.raises(
        EngineError, match=r"unix:///nowhere.sock does not answer: No such file.*\n.*DOCKER_HOST"
    ):
        DockerEngine(replace(options, docker_host="unix:///nowhere.sock"))


def test_a_launch_is_not_judged_from_a_broken_connection(
    remote: DockerEngine, forwarder: Forwarder, plain: Image
) -> None:
    image = remote.image(plain.reference)
    with pytest.raises(EngineError, match="does not answer"):  # noqa: SIM117, PT012 - the inner block must be left, too
        with remote.start(spec(image, "sleep", "600"), NOTHING) as container:
            forwarder.cut()
            try:
                container.wait(LIMIT_S)
            finally:
                forwarder.mend()


def test_a_daemon_that_comes_back_is_used_again(
    remote: DockerEngine, forwarder: Forwarder, plain: Image
) -> None:
    image = remote.image(plain.reference)
    assert remote.ceiling
    forwarder.cut(turn_away=1)
    with remote.start(spec(image, "true"), NOTHING) as container:
        assert container.wait(LIMIT_S) == Exit(code=0)
    assert forwarder._to_turn_away == 0


def test_containers_of_the_dead_are_removed_at_the_next_start(
    client: APIClient, engine: DockerEngine, options: EngineOptions, plain: Image
) -> None:
    image = engine.image(plain.reference)
    living = Owner.this_process()
    owners = {
        "dead": replace(living, started=living.started - 1),
        "living": living,
        "elsewhere": replace(living, boot="another host"),
    }
    made = {
        name: client.create_container(image.handle, ["true"], labels={OWNER: str(owner)})["Id"]
        for name, owner in owners.items()
    }
    try:
        with DockerEngine(options):
            found = {container["Id"] for container in client.containers(all=True)}
        assert {name for name, identity in made.items() if identity in found} == {"living", "elsewhere"}
    finally:
        for name in ("living", "elsewhere"):
            client.remove_container(made[name])


def test_a_volume_in_use_is_left_to_the_next_start(
    client: APIClient, engine: DockerEngine, options: EngineOptions, plain: Image
) -> None:
    """As where the keeper of a killed process and a new engine tidy up at once."""
    image, living = engine.image(plain.reference), Owner.this_process()
    name = f"capmin-test-{uuid.uuid4().hex[:8]}"
    client.create_volume(name, labels={OWNER: str(replace(living, started=living.started - 1))})
    host = client.create_host_config(binds=[f"{name}:/data"])
    made = client.create_container(image.handle, ["true"], host_config=host)["Id"]
    try:
        with DockerEngine(options):
            assert name in volumes(client)
    finally:
        client.remove_container(made)
    with DockerEngine(options):
        assert name not in volumes(client)


def test_an_image_that_nobody_has(engine: DockerEngine) -> None:
    with pytest.raises(ImageError, match=r"no image capmin.invalid/none:1.*\n.*docker load"):
        engine.image("capmin.invalid/none:1")


def test_a_reference_that_is_none(engine: DockerEngine) -> None:
    with pytest.raises(ImageError):
        engine.image("No Such Name")


def test_an_image_is_found_by_name_and_id(engine: DockerEngine, client: APIClient, plain: Image) -> None:
    loaded = engine.image(plain.reference)
    client.tag(loaded.handle, "capmin-test-name", "1")
    try:
        for reference in ("capmin-test-name:1", "docker-daemon:capmin-test-name:1", loaded.handle):
            assert engine.image(reference).digest == loaded.digest == plain.digest
    finally:
        client.remove_image("capmin-test-name:1")


def test_a_directory_is_loaded_once(
    engine: DockerEngine, client: APIClient, plain: Image, tmp_path: Path
) -> None:
    # A tree of its own: others load the plain one at any time.
    root = tmp_path / "root"
    shutil.copytree(plain.handle, root, symlinks=True)
    (root / "unique").write_text(uuid.uuid4().hex)
    first = engine.image(f"dir:{root}")
    try:
        assert engine.image(f"dir:{root}").handle == first.handle
        assert loads(client, first) == 1
        with engine.start(spec(first, "echo", "it runs"), NOTHING) as container:
            assert container.wait(LIMIT_S) == Exit(code=0)
            assert container.output() == "it runs\n"
    finally:
        client.remove_image(first.handle, force=True)


def loads(client: APIClient, image: Image) -> int:
    """How often an image was loaded in the last hour: each time it is tagged."""
    now = int(time.time())
    kinds = {"type": "image", "event": "tag"}
    events = client.events(since=now - 3600, until=now + 1, filters=kinds, decode=True)
    return sum(event["Actor"]["ID"] == image.handle for event in events)


def test_an_archive_is_loaded_as_it_is(engine: DockerEngine, plain: Image, tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar"
    identity = write_docker_archive(replace(plain, reference="", cmd=("echo", "saved")), archive)
    image = engine.image(f"docker-archive:{archive}")
    assert (image.handle, image.cmd) == (identity, ("echo", "saved"))


def test_nothing_stays_with_the_daemon(
    engine: DockerEngine, client: APIClient, plain: Image, tmp_path: Path
) -> None:
    archive = tmp_path / "saved.tar"
    write_docker_archive(replace(plain, reference="", volumes=("/data",)), archive)
    image = engine.image(f"docker-archive:{archive}")
    with engine.start(spec(image, "sleep", "600"), NOTHING) as container:
        assert isinstance(container, DockerContainer)
        document = client.inspect_container(container.identity)
        during = volumes(client)
    assert document["HostConfig"]["LogConfig"]["Type"] == "none"
    assert document["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    # Not all that there are: other tests have volumes of their own.
    [mount] = document["Mounts"]
    assert mount["Destination"] == "/data"
    assert mount["Name"] in during
    assert mount["Name"] not in volumes(client)


def volumes(client: APIClient) -> set[str]:
    return {volume["Name"] for volume in client.volumes()["Volumes"] or ()}


def test_launches_are_labelled_and_named(
    engine: DockerEngine, client: APIClient, options: EngineOptions, plain: Image
) -> None:
    image = engine.image(plain.reference)
    launch = replace(spec(image, "sleep", "600"), labels={"capmin.trial": "7"})
    with engine.start(launch, NOTHING) as container:
        assert isinstance(container, DockerContainer)
        document = client.inspect_container(container.identity)
    labels = document["Config"]["Labels"]
    assert (labels["capmin.campaign"], labels["capmin.trial"]) == (options.campaign, "7")
    assert document["Name"].startswith(f"/capmin-{options.campaign}-")


def test_waiting_costs_no_processor_time(engine: DockerEngine, plain: Image) -> None:
    image = engine.image(plain.reference)
    costs_s = []
    with engine.start(spec(image, "sleep", "600"), NOTHING) as container:
        for _ in range(3):
            begin = time.process_time()
            assert container.wait(0.5) is None
            costs_s.append(time.process_time() - begin)
    # The least: the other threads of this process, and its collector of garbage, have work now and then.
    assert min(costs_s) < 0.05


def test_the_address_is_that_of_the_environment(options: EngineOptions) -> None:
    with DockerEngine(replace(options, docker_host=None)) as engine:
        assert engine.address == os.environ.get("DOCKER_HOST", engine.address)
