"""Where capmin keeps things on the host."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Unpacked images: ``CAPMIN_CACHE_DIR``, else /var/cache/capmin for root, else XDG's cache directory."""
    chosen = os.environ.get("CAPMIN_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0 and "XDG_CACHE_HOME" not in os.environ:
        return Path("/var/cache/capmin")
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "capmin"


def state_dir() -> Path:
    """What lives no longer than the process: ``CAPMIN_STATE_DIR``, else below /run for root.

    The path stays short, because Unix sockets below it may have 107 bytes.
    """
    chosen = os.environ.get("CAPMIN_STATE_DIR")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/run/capmin")
    return Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/capmin-{os.geteuid()}")) / "capmin"  # noqa: S108 - the user's own below it
