"""Labels by which an image asks Podman for less than its default (podman label.image.md)."""

import json

from capmin.emit import provenance
from capmin.errors import UsageError
from capmin.profile import Profile

# go.podman.io/common, pkg/config/default.go. A label with any other is not heeded: Podman logs an error and
# grants these (pkg/specgen/generate/security_linux.go).
_DEFAULT = frozenset(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
    ).split()
)


def emit(profile: Profile) -> str:
    """Lines for the end of a Containerfile.

    Raises:
        UsageError: nothing was searched.
    """
    if profile.capabilities is None and profile.required is None:
        raise UsageError("neither capabilities nor system calls were searched: there is nothing to ask for")
    return (
        provenance.comment(profile)
        + "# Put these lines at the end of the image's Containerfile.\n"
        + _capabilities(profile)
        + _seccomp(profile)
    )


def _capabilities(profile: Profile) -> str:
    if profile.capabilities is None:
        return ""
    beyond = sorted(profile.capabilities - _DEFAULT)
    if beyond:
        return f"# No label for capabilities: they can only ask for less, and {', '.join(beyond)} is more.\n"
    names = ",".join(name.removeprefix("CAP_") for name in sorted(profile.capabilities))
    return f'LABEL io.containers.capabilities="{names}"\n'


def _seccomp(profile: Profile) -> str:
    if profile.required is None:
        return ""
    # Without comments, which quote the image's name: in single quotes nothing needs escaping then.
    document = json.dumps(profile.seccomp().to_oci(), separators=(",", ":"))
    return (
        "# Heeded with: podman run --seccomp-policy=image (experimental)\n"
        f"LABEL io.containers.seccomp.profile='{document}'\n"
    )
