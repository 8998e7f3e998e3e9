"""Mounts and the other words of docker run mean the same on every engine.

- A volume lives from its block's start to its end, through any number of containers; it is filled from the
  image once, while it is empty, with owners and modes.
- A tmpfs is empty and one container's own; a path of the host is read-only where asked for.
- What is said at launch comes before what the image says: environment, user, command.
- A file can be read from outside, while the container runs and after.
"""

from pathlib import Path

import pytest

from capmin.engines import Exit, LaunchSpec, Mount
from capmin.grant import Grant
from tests.contract.conftest import LIMIT_S, USUAL, Bench


def test_a_volume_outlives_its_containers(bench: Bench) -> None:
    with bench.engine.volume() as volume:
        mounts = (Mount(target="/data", source=volume),)
        assert bench.output("sh", "-c", "ls /data; echo kept > /data/file", mounts=mounts) == ""
        assert bench.output("cat", "/data/file", mounts=mounts) == "kept"
    with bench.engine.volume() as volume:
        assert bench.output("ls", "/data", mounts=(Mount(target="/data", source=volume),)) == ""


def test_an_empty_volume_gets_what_the_image_has(bench: Bench) -> None:
    look = "busybox stat -c '%n %u %g %a' /etc /etc/passwd"
    image = bench.output("sh", "-c", look)
    with bench.engine.volume() as volume:
        mounts = (Mount(target="/etc", source=volume),)
        assert bench.output("sh", "-c", f"{look}; echo x > /etc/passwd", mounts=mounts) == image
        assert bench.output("cat", "/etc/passwd", mounts=mounts) == "x"


def test_two_containers_share_a_volume(bench: Bench) -> None:
    with bench.engine.volume() as volume:
        spec = bench.spec(
            "sh", "-c", "echo here > /a/file; sleep 600", mounts=(Mount(target="/a", source=volume),)
        )
        reads = "exec 2>&1; until grep here /b/file 2>/dev/null; do sleep 0.02; done; echo x > /b/new"
        mounts = (Mount(target="/b", source=volume, read_only=True),)
        with bench.engine.start(spec, USUAL):
            ended = bench.run("sh", "-c", reads, mounts=mounts)
    assert ended.output.startswith("here\n")
    assert ended.exit == Exit(code=1)
    assert "Read-only file system" in ended.output


def options(bench: Bench, mount: Mount) -> str:
    """How a mount is mounted, as the container's mountinfo has it."""
    lines = bench.output("cat", "/proc/self/mountinfo", mounts=(mount,)).splitlines()
    (found,) = [line.split() for line in lines if line.split()[4] == mount.target]
    return f"{found[found.index('-') + 1]} {found[5]}"


@pytest.mark.parametrize("read_only", [False, True])
def test_a_tmpfs_is_mounted_as_docker_does(bench: Bench, read_only: bool) -> None:  # noqa: FBT001 (a parameter)
    access = "ro" if read_only else "rw"
    mount = Mount(target="/scratch", source=None, read_only=read_only)
    assert options(bench, mount) == f"tmpfs {access},nosuid,nodev,noexec,relatime"


def test_a_tmpfs_is_empty_and_has_the_mode_of_what_it_hides(bench: Bench) -> None:
    mounts = (Mount(target="/etc", source=None), Mount(target="/made", source=None))
    assert bench.output(
        "sh", "-c", "ls /etc | grep passwd; busybox stat -c %a /etc /made", mounts=mounts
    ) == ("755\n1777")


def test_a_file_of_the_host_is_published(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("hello\n")
    mounts = (Mount(target="/srv/page", source=tmp_path / "page", read_only=True),)
    assert bench.output("cat", "/srv/page", mounts=mounts) == "hello"
    ended = bench.run("sh", "-c", "echo x > /srv/page", mounts=mounts)
    assert (ended.exit.code, (tmp_path / "page").read_text()) == (1, "hello\n")


def test_environment_and_user_come_before_the_images(bench: Bench) -> None:
    image = bench.configured(environment=("PATH=/bin", "A=image", "B=image"), user="1000")
    said = bench.output(
        "sh", "-c", "echo $A $B $C; id -u; id -g", image=image, environment=("A=here", "C=c d"), user="7:8"
    )
    assert said == "here image c d\n7\n8"


def test_arguments_replace_the_command_and_not_the_entrypoint(bench: Bench) -> None:
    image = bench.configured(entrypoint=("echo", "a"), cmd=("b",))
    assert bench.output(image=image) == "a b"
    assert bench.output(image=image, arguments=("c", "d e")) == "a c d e"


def test_files_are_read_from_outside(bench: Bench) -> None:
    with bench.engine.volume() as volume:
        write = "echo volume > /data/x; echo root > /y; ln -s /etc/passwd /link; echo; sleep 600"
        spec = bench.spec("sh", "-c", write, mounts=(Mount(target="/data", source=volume),))
        with bench.engine.start(spec, USUAL) as container:
            assert (
                container.execute(("sh", "-c", "until [ -h /link ]; do sleep 0.02; done"), LIMIT_S).code == 0
            )
            for _ in range(2):
                assert container.read("/data/x", 100) == b"volume\n"
                assert container.read("/y", 2) == b"ro"
                assert container.read("/nowhere", 100) is None
                assert container.read("/etc", 100) is None
                container.signal(9)
                assert container.wait(LIMIT_S) == Exit(code=137)


def test_a_command_inside_has_the_containers_privileges(bench: Bench) -> None:
    with bench.engine.start(
        bench.spec("sleep", "600", user="7", environment=("A=b",)), Grant(capabilities=frozenset())
    ) as it:
        done = it.execute(
            ("sh", "-c", "id -u; echo $A; grep -E '^(CapBnd|Seccomp):' /proc/self/status; exit 3"), LIMIT_S
        )
    assert done.code == 3
    assert done.output.split() == ["7", "b", "CapBnd:", "0000000000000000", "Seccomp:", "2"]


def test_a_command_inside_has_a_limit_and_its_container_must_run(bench: Bench) -> None:
    spec: LaunchSpec = bench.spec("sleep", "600")
    with bench.engine.start(spec, USUAL) as container:
        assert container.execute(("sleep", "600"), 0.5).code is None
        assert container.execute(("no-such-program",), LIMIT_S).code in (126, 127, 255)
        container.signal(9)
        container.wait(LIMIT_S)
        assert container.execute(("true",), LIMIT_S).code == 126
