"""A small root file system with all that unpacking must keep, and what is to be seen of a tree."""

import os
import subprocess
from pathlib import Path

Tree = dict[str, tuple[object, ...]]


def make_rootfs(root: Path) -> None:
    """Owners, modes, links, a file capability, other attributes, an empty directory, odd names."""
    for name in ("bin", "etc", "home/app", "tmp", "empty"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    program = root / "bin/program"
    program.write_bytes(b"#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    (root / "bin/su").write_bytes(b"privileged")
    (root / "bin/su").chmod(0o4755)
    (root / "bin/again").hardlink_to(program)
    (root / "bin/link").symlink_to("/bin/program")
    (root / "bin/ping").write_bytes(b"capable")
    subprocess.run(["setcap", "cap_net_raw=ep", root / "bin/ping"], check=True)
    (root / "home/app/ünïcode \n name").write_text("mine")
    for path in (root / "home/app", *(root / "home/app").iterdir()):
        os.chown(path, 1000, 1001)
    (root / "etc/secret").write_text("secret")
    (root / "etc/secret").chmod(0o640)
    os.chown(root / "etc/secret", 0, 42)


def tree(root: Path) -> Tree:
    """Every path below a directory, with kind, mode, owners, links, content and capability."""
    return {str(path.relative_to(root)): _seen(path) for path in root.rglob("*")}


def _seen(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content: object = None
    if path.is_symlink():
        content = path.readlink()
    elif path.is_file():
        content = path.read_bytes()
    capability = os.getxattr(path, "security.capability", follow_symlinks=False) if _capable(path) else None
    links = status.st_nlink if path.is_file() else None
    return (oct(status.st_mode), status.st_uid, status.st_gid, links, content, capability)


def _capable(path: Path) -> bool:
    return "security.capability" in os.listxattr(path, follow_symlinks=False)
