"""``run.sh``: the docker run line, as a script that takes more options and a command."""

from capmin.emit.run_script import capability_options, other_options, script
from capmin.profile import Profile


def emit(profile: Profile) -> str:
    """A POSIX shell script; it expects the seccomp document beside itself.

    Capabilities that were not searched are left to Docker: the search had its default ones.
    """
    dropped = [] if profile.capabilities is None else capability_options(profile, "ALL")
    return script(
        profile,
        "docker-run",
        program="docker",
        example="podman",
        first="run --rm",
        options=[*dropped, *other_options(profile)],
    )
