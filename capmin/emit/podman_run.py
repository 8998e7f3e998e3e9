"""``podman-run.sh``: the podman run line, as a script that takes more options and a command.

All capabilities are stated: Podman's default ones are not Docker's. For a user other than root Podman makes
them ambient, as Docker does not (pkg/specgen/generate/security_linux.go): a program may then use more of them
than it had in the search, never more than are listed.
"""

from capmin.emit.run_script import capability_options, other_options, script
from capmin.portable import Runtime
from capmin.profile import Profile


def emit(profile: Profile) -> str:
    """A POSIX shell script; it expects the seccomp document beside itself.

    It names the runtime whose calls the profile grants: under another one containers may not start.
    """
    first = "run --rm" if profile.runtime is Runtime.BOTH else f"--runtime {profile.runtime} run --rm"
    return script(
        profile,
        "podman-run",
        program="podman",
        example="podman-remote",
        first=first,
        options=[*capability_options(profile, "all"), *other_options(profile)],
    )
