"""``run.sh``: the docker run line, as a script that takes more options and a command."""

import shlex

from capmin.emit import provenance
from capmin.emit.files import file_name
from capmin.engines import UNPRIVILEGED_PORT_START
from capmin.profile import Profile

_HEAD = """\
#
# Usage: ./run.sh [DOCKER RUN OPTION...] [-- COMMAND [ARGUMENT...]]
#    ./run.sh -d -p 8080:80             more options of docker run; the image's own command
#    ./run.sh --rm=false --restart always
#    ./run.sh -it -- /bin/sh            another command
#    CAPMIN_IMAGE=example/web:2 ./run.sh    another image, for example a newer tag
#    CAPMIN_DOCKER=podman ./run.sh      another program that takes docker's command line
set -eu
"""

# A shell has one list only, its positional parameters: each argument goes from its front to its end, and the
# image is put in where the options end.
_ARGUMENTS = """\

# Docker wants OPTIONS IMAGE COMMAND: put the image where the options end.
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


def emit(profile: Profile) -> str:
    """A POSIX shell script; it expects the seccomp document beside itself."""
    parts = [
        "#!/bin/sh\n",
        provenance.comment(profile),
        _HEAD,
        _seccomp_path(profile),
        f"image={shlex.quote(profile.image)}\nimage=${{CAPMIN_IMAGE:-$image}}\n",
        _ARGUMENTS,
        " \\\n    ".join(['exec "${CAPMIN_DOCKER:-docker}" run --rm', *_options(profile), '"$@"']),
        "\n",
    ]
    return "".join(parts)


def _seccomp_path(profile: Profile) -> str:
    if profile.required is None:
        return ""
    name = file_name("docker-seccomp", profile.strictness)
    return f'seccomp=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)/{name}\n'


def _options(profile: Profile) -> list[str]:
    options = []
    if profile.capabilities is not None:
        options.append("--cap-drop ALL")
        options += [f"--cap-add {name.removeprefix('CAP_')}" for name in sorted(profile.capabilities)]
    if profile.required is not None:
        options.append('--security-opt seccomp="$seccomp"')
    # What was searched under. Docker's own setting, 0, only takes away a need for CAP_NET_BIND_SERVICE.
    options.append(f"--sysctl net.ipv4.ip_unprivileged_port_start={UNPRIVILEGED_PORT_START}")
    return options
