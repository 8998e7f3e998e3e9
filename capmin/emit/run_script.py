"""A container engine's run line, as a script that takes more options and a command."""

import shlex
from collections.abc import Iterable

from capmin.emit import provenance
from capmin.emit.files import file_name
from capmin.engines import UNPRIVILEGED_PORT_START
from capmin.profile import Profile

_HEAD = """\
#
# Usage: ./{script} [{program} RUN OPTION...] [-- COMMAND [ARGUMENT...]]
#    ./{script} -d -p 8080:80             more options of {command}; the image's own command
#    ./{script} --rm=false --restart always
#    ./{script} -it -- /bin/sh            another command
#    CAPMIN_IMAGE=example/web:2 ./{script}    another image, for example a newer tag
#    {variable}={example} ./{script}      another program that takes {command_line} command line
set -eu
"""

# A shell has one list only, its positional parameters: each argument goes from its front to its end, and the
# image is put in where the options end.
_ARGUMENTS = """\

# {title} wants OPTIONS IMAGE COMMAND: put the image where the options end.
left=$#
while [ "$left" -gt 0 ] && [ "$1" != -- ]; do
    set -- "$@" "$1"
    shift
    left=$((left - 1))
done
if [ "$left" -gt 0 ]; then
    shift
    left=$((left - 1))
fi
set -- "$@" -- "$image"
while [ "$left" -gt 0 ]; do
    set -- "$@" "$1"
    shift
    left=$((left - 1))
done

"""


def script(
    profile: Profile, file_format: str, *, program: str, example: str, first: str, options: Iterable[str]
) -> str:
    """A POSIX shell script; it expects the seccomp document beside itself, and gives ``options`` its path.

    ``first`` are the words between the program, which ``example`` could replace, and the options.
    """
    words = {
        "script": file_name(file_format),
        "program": program.upper(),
        "command": f"{program} run",
        "variable": f"CAPMIN_{program.upper()}",
        "example": example,
        "command_line": f"{program}'s",
        "title": program.capitalize(),
    }
    return "".join(
        [
            "#!/bin/sh\n",
            provenance.comment(profile),
            _HEAD.format(**words),
            _seccomp_path(profile),
            f"image={shlex.quote(profile.image)}\nimage=${{CAPMIN_IMAGE:-$image}}\n",
            _ARGUMENTS.format(**words),
            " \\\n    ".join([f'exec "${{{words["variable"]}:-{program}}}" {first}', *options, '"$@"']),
            "\n",
        ]
    )


def capability_options(profile: Profile, all_of_them: str) -> list[str]:
    """No capability but those granted; ``all_of_them`` is the program's word."""
    added = [f"--cap-add {name.removeprefix('CAP_')}" for name in sorted(profile.granted)]
    return [f"--cap-drop {all_of_them}", *added]


def other_options(profile: Profile) -> list[str]:
    """What Docker and Podman spell alike."""
    options = []
    if profile.required is not None:
        options.append('--security-opt seccomp="$seccomp"')
    if profile.no_new_privileges:
        options.append("--security-opt no-new-privileges")
    # What was searched under. Docker's own setting, 0, only takes away a need for CAP_NET_BIND_SERVICE.
    options.append(f"--sysctl net.ipv4.ip_unprivileged_port_start={UNPRIVILEGED_PORT_START}")
    return options


def _seccomp_path(profile: Profile) -> str:
    if profile.required is None:
        return ""
    name = file_name("docker-seccomp", profile.strictness)
    return f'seccomp=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)/{name}\n'
