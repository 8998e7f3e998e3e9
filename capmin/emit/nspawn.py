"""A file for systemd-nspawn (systemd.nspawn(5)).

``DropCapability=all`` would win over ``Capability=`` (measured, 252): all that are not granted are listed.
The filter is nspawn's own list of what is allowed, to be edited. A call taken out of it cannot be added
again; but what a group brought can, once the group as a whole is taken out (src/shared/seccomp-util.c,
seccomp_add_syscall_filter_item), and so the list becomes ours.
"""

from capmin.emit import ini, provenance
from capmin.emit.names import label
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.profile import Profile

# The list in src/nspawn/nspawn-seccomp.c, 252 to 258: its groups, and its calls that are of none of them.
_GROUPS = (
    "@aio @basic-io @chown @clock @default @file-system @io-event @ipc @memlock @module @mount @network-io "
    "@pkey @process @raw-io @resources @sandbox @setuid @signal @sync @timer"
).split()
_SINGLE = frozenset(
    Syscall(name)
    for name in (
        "acct arm_fadvise64_64 brk cachestat capget capset copy_file_range fadvise64 fadvise64_64 flock "
        "get_mempolicy getcpu getpriority ioctl ioprio_get kcmp madvise mincore mprotect mremap "
        "name_to_handle_at oldolduname olduname personality process_vm_readv process_vm_writev ptrace "
        "readahead readdir reboot remap_file_pages sched_get_priority_max sched_get_priority_min "
        "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_yield seccomp "
        "sendfile sendfile64 setdomainname setfsgid setfsgid32 setfsuid setfsuid32 sethostname setpgid "
        "setsid splice sysinfo syslog tee umask uname userfaultfd vhangup vmsplice"
    ).split()
)

_OWN_CALLS = frozenset(
    Syscall(name)
    for name in (
        "clone dup2 geteuid ioctl mkdirat pipe2 ppoll prlimit64 rt_sigaction rt_sigprocmask rt_sigtimedwait "
        "seccomp set_robust_list setresgid setresuid setsid waitid"
    ).split()
)
"""What nspawn 252 calls from loading its filters, of which there are five, to starting the program, and as
its parent (--as-pid2), beyond runc's floor: measured with strace, as root and as another user."""

_CLONE, _CLONE3 = Syscall("clone"), Syscall("clone3")


def emit(profile: Profile) -> str:
    """The file's text."""
    name = label(profile)
    dropped = [name for name in CAPABILITIES if name not in profile.granted]
    return (
        provenance.comment(profile)
        + f"# Put this file as {name}.nspawn into /etc/systemd/nspawn, for systemd-nspawn --machine={name}\n"
        + "[Exec]\n"
        + ini.lines("Capability", sorted(profile.granted))
        + ini.lines("DropCapability", dropped)
        + ("NoNewPrivileges=yes\n" if profile.no_new_privileges else "")
        + _filter(profile)
    )


def _filter(profile: Profile) -> str:
    if profile.syscalls is None:
        return ""
    granted = profile.syscalls
    # glibc falls back from clone3 on ENOSYS only; nspawn answers EPERM to whatever it denies (measured, 252).
    own = _OWN_CALLS | ({_CLONE3} if _CLONE in granted else frozenset())
    return (
        "# instead of nspawn's own list\n"
        + ini.lines("SystemCallFilter", [*_GROUPS, *sorted(_SINGLE - granted - own)], prefix="~")
        + "# needed by nspawn itself, or because it denies with EPERM only\n"
        + ini.lines("SystemCallFilter", sorted(own - granted))
        + "# what was granted in the search\n"
        + ini.lines("SystemCallFilter", sorted(granted))
    )
