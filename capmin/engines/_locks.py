"""Locks between processes, held on open directories: the kernel lets go of them however a process ends."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for as long as the block runs, waiting for whoever holds it now."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def share(directory: Path) -> int | None:
    """Hold a directory against `claim` until the descriptor is closed; None where it is not there."""
    while True:
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        # Whoever held it may have moved it away, and another may have put a new one in its place.
        if _is_at(descriptor, directory):
            return descriptor
        os.close(descriptor)


def claim(directory: Path) -> int | None:
    """Hold a directory for oneself; None where another uses it, or it is not there."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not _is_at(descriptor, directory):
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """A directory to work in, gone after the block; `sweep` removes those of processes that were killed."""
    with exclusive(parent / ".lock"):
        path = Path(tempfile.mkdtemp(dir=parent))
        descriptor = claim(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def sweep(parent: Path) -> None:
    """Remove the workspaces of processes that are no more."""
    with exclusive(parent / ".lock"):
        for path in parent.iterdir():
            if not path.is_dir() or (descriptor := claim(path)) is None:
                continue
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
