"""A stack: several searched services that run together, each with the profile that was found for it."""

from capmin.stack.compose import FILE_NAME, compose_file, files, seccomp_file
from capmin.stack.service import Service, stack

__all__ = ["FILE_NAME", "Service", "compose_file", "files", "seccomp_file", "stack"]
