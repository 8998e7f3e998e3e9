"""What is in a directory, for recipes that are built from it."""

import hashlib
import os
from pathlib import Path


def contents(directory: Path) -> list[list[str]]:
    """Every file's path, kind and digest."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            found.append([str(path.relative_to(directory)), "link", str(path.readlink())])
        elif path.is_file():
            kind = "program" if os.access(path, os.X_OK) else "file"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append([str(path.relative_to(directory)), kind, digest])
    return found
