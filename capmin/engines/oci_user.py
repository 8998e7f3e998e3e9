"""The image's ``User``, resolved as Docker does: against the image's own passwd and group files.

Source: GetExecUser in runc libcontainer/user/user.go and getUser in moby daemon/oci_linux.go.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capmin.engines.in_root import open_in_root
from capmin.errors import ImageError

_MAXIMUM_ID = (1 << 31) - 1
_PASSWD_FIELDS = 4  # those that count: name, password, uid, gid
_GROUP_FIELDS = 4  # name, password, gid, members


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Who the container's process runs as; ``groups`` holds the supplementary ones."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def resolve_user(text: str, rootfs: Path) -> User:
    """The user spelt ``name``, ``uid``, ``name:group``, ``uid:gid`` or nothing (root).

    Docker 20.10.24 and later add the primary group to the supplementary ones (CVE-2023-25173).

    Raises:
        ImageError: the image has no user or group of that name, or a number is out of range.
    """
    user, _, group = text.partition(":")
    entry = next((line for line in _lines(rootfs, "etc/passwd") if _names_user(line, user)), None)
    if entry is None and user and not _is_number(user):
        raise ImageError(f"the image's /etc/passwd has no user {user!r} (its User is {text!r})")
    uid, gid = (int(entry[2]), int(entry[3])) if entry else (_number(user or "0"), 0)
    if group:
        gid = _group(group, rootfs)
        return User(uid=uid, gid=gid, groups=(gid,))
    return User(uid=uid, gid=gid, groups=(gid, *(_groups_of(entry[0], rootfs) if entry else ())))


def _names_user(line: list[str], user: str) -> bool:
    if len(line) < _PASSWD_FIELDS or not (_is_number(line[2]) and _is_number(line[3])):
        return False
    return line[2] == "0" if not user else user == line[0] or (_is_number(user) and int(user) == int(line[2]))


def _group(group: str, rootfs: Path) -> int:
    for line in _lines(rootfs, "etc/group"):
        if len(line) >= _GROUP_FIELDS - 1 and _is_number(line[2]) and group in (line[0], line[2]):
            return int(line[2])
    if not _is_number(group):
        raise ImageError(f"the image's /etc/group has no group {group!r}")
    return _number(group)


def _groups_of(name: str, rootfs: Path) -> tuple[int, ...]:
    return tuple(
        int(line[2])
        for line in _lines(rootfs, "etc/group")
        if len(line) >= _GROUP_FIELDS and _is_number(line[2]) and name in line[3].split(",")
    )


def _lines(rootfs: Path, path: str) -> Iterator[list[str]]:
    """The fields of a colon-separated file of the image; none where there is no such file."""
    try:
        descriptor = open_in_root(rootfs, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                yield line.strip().split(":")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str) -> int:
    number = int(text)
    if number > _MAXIMUM_ID:
        raise ImageError(f"user and group numbers end at {_MAXIMUM_ID}: {text}")
    return number
