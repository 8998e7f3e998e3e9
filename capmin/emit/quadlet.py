"""A Quadlet unit: a container that systemd starts through Podman (podman-systemd.unit(5))."""

from capmin.emit import ini, provenance
from capmin.emit.files import file_name
from capmin.emit.names import label
from capmin.engines import UNPRIVILEGED_PORT_START
from capmin.portable import Runtime
from capmin.profile import Profile

_UNITS = "/etc/containers/systemd"
_FILTERS = "/etc/containers/seccomp"


def emit(profile: Profile) -> str:
    """The unit's text; it names the seccomp document by where it is to be put."""
    name = label(profile)
    head = (
        provenance.comment(profile)
        + f"# Put this file as {name}.container into {_UNITS}"
        + ("" if profile.required is None else f", and the seccomp document as {_seccomp(profile)}")
        + "\n"
    )
    unit = ini.section("Unit", [("Description", f"{name}, with the privileges that it needs")])
    container = ini.section("Container", _container(profile))
    return head + "\n".join([unit, container, ini.section("Install", [("WantedBy", "default.target")])])


def _container(profile: Profile) -> list[tuple[str, str]]:
    keys = [("Image", ini.literal(profile.image)), ("DropCapability", "all")]
    keys += [("AddCapability", name) for name in sorted(profile.granted)]
    if profile.required is not None:
        keys.append(("SeccompProfile", _seccomp(profile)))
    if profile.no_new_privileges:
        keys.append(("NoNewPrivileges", "true"))
    keys.append(("Sysctl", f"net.ipv4.ip_unprivileged_port_start={UNPRIVILEGED_PORT_START}"))
    if profile.runtime is not Runtime.BOTH:
        # Under a runtime whose own calls are not granted the container may not start.
        keys.append(("GlobalArgs", f"--runtime={profile.runtime}"))
    return keys


def _seccomp(profile: Profile) -> str:
    suffix = file_name("docker-seccomp", profile.strictness).removeprefix("seccomp")
    return f"{_FILTERS}/{label(profile)}{suffix}"
