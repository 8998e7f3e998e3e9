"""What this host is and can do, found out by trying it."""

import contextlib
import ctypes
import os
import platform
import re
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capmin.engines._process import run
from capmin.engines.overlay import mount_overlay
from capmin.errors import EngineError

ControlGroups = Literal["v1", "v2", "hybrid", "none"]

_CLONE_NEWNS = 0x20000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program found on PATH, and the version that it says it has ("" where it says none)."""

    path: str
    version: str


def kernel() -> str:
    """The running kernel's release and machine, as ``uname -rm`` has them."""
    return f"{platform.release()} {platform.machine()}"


def control_groups(root: Path = Path("/sys/fs/cgroup")) -> ControlGroups:
    """Which control groups are mounted: cgroups(7); ``hybrid`` is v1 with a v2 tree beside it."""
    if (root / "cgroup.controllers").exists():
        return "v2"
    if (root / "unified" / "cgroup.controllers").exists():
        return "hybrid"
    return "v1" if any(root.glob("*/tasks")) else "none"


def program(name: str) -> Program | None:
    """A program on PATH; None where there is none."""
    path = shutil.which(name)
    if path is None:
        return None
    with contextlib.suppress(EngineError):
        words = run([path, "--version"], limit_s=30, may_fail=True)
        match = re.search(r"\d+(?:\.\d+)+", words.stdout + words.stderr)
        return Program(path=path, version=match[0] if match else "")
    return Program(path=path, version="")


def why_no_overlay() -> str | None:
    """Why an overlay on a tmpfs cannot be mounted, or None where it can: it is mounted and written to.

    In a mount namespace of a child of its own: nothing of it is ever seen outside.
    """
    with tempfile.TemporaryDirectory(prefix="capmin-") as directory:
        lower = Path(directory, "lower")
        lower.mkdir()

        def attempt() -> None:
            _enter_private_mounts()
            overlay = mount_overlay(Path(directory, "overlay"), lower)
            (overlay.root / "file").write_text("x")

        return _in_child(attempt)


def _enter_private_mounts() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        raise EngineError(f"no mount namespace: {os.strerror(ctypes.get_errno())}")


def _in_child(attempt: Callable[[], None]) -> str | None:
    """Run it in a forked child; None where it went well, else the first line of its error."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            try:
                attempt()
            except BaseException as error:  # noqa: BLE001 - nothing of it may run on in the child
                words = str(error) or traceback.format_exception_only(error)[-1]
                os.write(writer, words.splitlines()[0].encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        words = stream.read().decode(errors="replace")
    os.waitpid(child, 0)
    return words or None
