"""What an image says of how it is to be run is heeded, as Docker does.

- Entrypoint and Cmd together are the command; a command given replaces both.
- User in each of Docker's forms, with the groups that the image's own files give.
- Env and WorkingDir; HOME is the user's.
"""

import pytest

from capmin.errors import ImageError
from tests.contract.conftest import Bench

SAYS = ("/bin/echo", "entrypoint")


def test_entrypoint_and_cmd_are_the_command(bench: Bench) -> None:
    image = bench.configured(entrypoint=SAYS, cmd=("cmd",))
    assert bench.output(image=image) == "entrypoint cmd"


def test_cmd_alone_is_the_command(bench: Bench) -> None:
    assert bench.output(image=bench.configured(cmd=("echo", "cmd"))) == "cmd"


def test_a_command_given_replaces_both(bench: Bench) -> None:
    image = bench.configured(entrypoint=SAYS, cmd=("cmd",))
    assert bench.output("echo", "given", image=image) == "given"


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ("", "uid=0(root) gid=0(root) groups=0(root),6(disk)"),
        ("root", "uid=0(root) gid=0(root) groups=0(root),6(disk)"),
        ("app", "uid=1000(app) gid=1000(app) groups=1000(app),33(web),50(staff)"),
        ("1000", "uid=1000(app) gid=1000(app) groups=1000(app),33(web),50(staff)"),
        ("app:staff", "uid=1000(app) gid=50(staff) groups=50(staff)"),
        ("1000:6", "uid=1000(app) gid=6(disk) groups=6(disk)"),
        ("4242", "uid=4242 gid=0(root) groups=0(root)"),
        ("4242:4343", "uid=4242 gid=4343 groups=4343"),
    ],
)
def test_the_user_is_found_in_the_image(bench: Bench, user: str, identity: str) -> None:
    output = bench.output("id", image=bench.configured(user=user))
    who, _, groups = output.partition(" groups=")
    expected, _, expected_groups = identity.partition(" groups=")
    assert who == expected
    assert set(groups.split(",")) == set(expected_groups.split(","))


def test_home_is_the_users(bench: Bench) -> None:
    assert bench.output("sh", "-c", "echo $HOME", image=bench.configured(user="app")) == "/home/app"


@pytest.mark.parametrize("user", ["nobody-there", "app:no-such-group"])
def test_a_user_that_the_image_does_not_have_is_the_images_fault(bench: Bench, user: str) -> None:
    with pytest.raises(ImageError, match=r"nobody-there|no-such-group"):
        bench.run("true", image=bench.configured(user=user))


def test_an_image_without_a_command_needs_one(bench: Bench) -> None:
    with pytest.raises(ImageError, match="command"):
        bench.run()


def test_environment_and_directory(bench: Bench) -> None:
    image = bench.configured(environment=("PATH=/bin", "A=b c"), working_dir="/usr/local")
    assert bench.output("sh", "-c", 'echo "$A $PATH $PWD"', image=image) == "b c /bin /usr/local"


def test_a_directory_that_is_missing_is_made(bench: Bench) -> None:
    assert (
        bench.output("sh", "-c", "pwd", image=bench.configured(working_dir="/made/for/it")) == "/made/for/it"
    )
