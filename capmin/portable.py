"""What a profile needs where it was not searched: another runtime's calls, another architecture's names."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from capmin.privileges import Syscall
from capmin.privileges.syscall import table


class Runtime(StrEnum):
    """The low-level runtime that will start the containers."""

    RUNC = "runc"
    """That of Docker and containerd; its calls are the floor of every search."""

    CRUN = "crun"
    """Podman's and CRI-O's usual one."""

    BOTH = "both"
    """Whichever is there. What runc needs was granted throughout the search, so that it stays granted for
    crun too: the program may use it. So the system calls are the same as for crun."""


CRUN_CALLS: frozenset[Syscall] = frozenset(
    Syscall(name)
    for name in (
        "access arch_prctl brk capset chdir chmod chown close close_range dup2 execve exit_group fchdir "
        "fchown fstat fstatfs getcwd getegid geteuid getgid getuid ioctl lseek mkdirat mknodat mmap mount "
        "mprotect nanosleep newfstatat openat openat2 pivot_root prctl pselect6 read readlink "
        "rt_sigaction rt_sigprocmask set_tid_address setgroups sethostname setns setresgid setresuid "
        "setsid statfs statx symlinkat umask umount2 unshare write"
    ).split()
)
"""What crun calls after it has loaded the filter: base profile crun-v1.26 of security-profiles-operator."""

_MODERN = MappingProxyType(
    {
        Syscall(old): tuple(Syscall(name) for name in new.split())
        for old, new in {
            "access": "faccessat",
            "alarm": "setitimer",
            "chmod": "fchmodat",
            "chown": "fchownat",
            "creat": "openat",
            "dup2": "dup3 fcntl",
            "epoll_create": "epoll_create1",
            "epoll_wait": "epoll_pwait",
            "eventfd": "eventfd2",
            "fork": "clone",
            "futimesat": "utimensat",
            "getdents": "getdents64",
            "getpgrp": "getpgid",
            "inotify_init": "inotify_init1",
            "lchown": "fchownat",
            "link": "linkat",
            "lstat": "newfstatat",
            "mkdir": "mkdirat",
            "mknod": "mknodat",
            "open": "openat",
            "pause": "ppoll",
            "pipe": "pipe2",
            "poll": "ppoll",
            "readlink": "readlinkat",
            "rename": "renameat renameat2",
            "rmdir": "unlinkat",
            "select": "pselect6",
            "signalfd": "signalfd4",
            "stat": "newfstatat",
            "symlink": "symlinkat",
            "time": "gettimeofday",
            "unlink": "unlinkat",
            "utime": "utimensat",
            "utimes": "utimensat",
            "vfork": "clone",
        }.items()
    }
)
"""What does the work of calls that newer architectures were never given.

Source: linux include/uapi/asm-generic/unistd.h before 5.11 (__ARCH_WANT_SYSCALL_NO_AT, _NO_FLAGS,
_DEPRECATED), and what glibc's functions of these names call on arm64.
"""


def runtime_calls(runtime: Runtime) -> frozenset[Syscall]:
    """What a runtime needs beyond the floor of the search."""
    return frozenset() if runtime is Runtime.RUNC else CRUN_CALLS


def missing(calls: Iterable[Syscall], architecture: str) -> frozenset[Syscall]:
    """The calls that an architecture lacks."""
    return frozenset(calls) - table(architecture).keys()


def counterparts(
    calls: frozenset[Syscall], found_on: str, target: str
) -> Mapping[Syscall, tuple[Syscall, ...]]:
    """By what names a C library may ask on ``target`` for what it asked on ``found_on`` by these.

    On an architecture without the old names these are the new ones; on one that has them still, either.
    """
    here, there = table(found_on), table(target)
    newer = {old: _MODERN.get(old, ()) for old in missing(calls, target)}
    older = {
        call: tuple(old for old, new in _MODERN.items() if call in new and old in there and old not in here)
        for call in calls
    }
    both = {call: newer.get(call, ()) + older.get(call, ()) for call in sorted(newer.keys() | older.keys())}
    return MappingProxyType({call: names for call, names in both.items() if names})
