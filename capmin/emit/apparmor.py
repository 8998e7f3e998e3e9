"""An AppArmor profile with the capabilities that are granted, and otherwise Docker's default one.

The rest is moby/profiles:apparmor/template.go (docker-default), whose bare ``capability,`` grants all.
"""

from capmin.emit import provenance
from capmin.emit.names import label
from capmin.errors import UsageError
from capmin.profile import Profile

_RULES = """\
  network,
  file,
  umount,
{capabilities}
  # Host (privileged) processes may send signals to container processes.
  signal (receive) peer=unconfined,
  # Container processes may send signals amongst themselves, and the runtime to them.
  signal (send,receive) peer={name},
  signal (receive) peer=runc,
  signal (receive) peer=crun,

  deny @{{PROC}}/* w,   # deny write for all files directly in /proc (not in a subdir)
  # deny write to files not in /proc/<number>/** or /proc/sys/**
  deny @{{PROC}}/{{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}}/** w,
  deny @{{PROC}}/sys/[^k]** w,  # deny /proc/sys except /proc/sys/k* (effectively /proc/sys/kernel)
  deny @{{PROC}}/sys/kernel/{{?,??,[^s][^h][^m]**}} w,  # deny everything except shm* in /proc/sys/kernel/
  deny @{{PROC}}/sysrq-trigger rwklx,
  deny @{{PROC}}/kcore rwklx,

{mount}
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,

  # Container processes may trace and read each other, for ps.
  ptrace (trace,read,tracedby,readby) peer={name},
"""


def emit(profile: Profile) -> str:
    """The profile's text.

    Raises:
        UsageError: capabilities were not searched.
    """
    if profile.capabilities is None:
        raise UsageError(
            f"the capabilities of {profile.image} were not searched: run capmin search with --capabilities"
        )
    name = f"capmin-{label(profile)}"
    return (
        provenance.comment(profile)
        + f"# Load: apparmor_parser -r FILE; use: docker run --security-opt apparmor={name} ...\n"
        + "#include <tunables/global>\n\n"
        + f"profile {name} flags=(attach_disconnected,mediate_deleted) {{\n"
        + "  #include <abstractions/base>\n\n"
        + _RULES.format(capabilities=_capabilities(profile), mount=_mount(profile), name=name)
        + "}\n"
    )


def _capabilities(profile: Profile) -> str:
    names = [name.removeprefix("CAP_").lower() for name in sorted(profile.capabilities or ())]
    return "".join(f"  capability {name},\n" for name in names) or "  # no capability\n"


def _mount(profile: Profile) -> str:
    """Mounting takes CAP_SYS_ADMIN; where that is needed it is most likely for this."""
    return "  mount,\n" if "CAP_SYS_ADMIN" in profile.granted else "  deny mount,\n"
