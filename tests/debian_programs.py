"""Programs of Debian 13 that Debian 12 lacks or has too old: taken out of their packages, not installed.

Only what needs nothing but the C library, such as programs written in Go. 5 s and 40 MB once, then cached.
"""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import missing

SUITE = "trixie"
PACKAGES = ("docker-compose", "podman")
_ARCHIVE = os.environ.get("CAPMIN_DEBIAN_MIRROR") or "http://deb.debian.org/debian"


def program_of(package: str, path: str, cache_dir: Path) -> Path:
    """The program at ``path`` in a package; skips the test, or fails it in CI, where it cannot be had."""
    place = cache_dir / "programs"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait, and then have it
        if not (place / SUITE).exists():
            try:
                _unpack(place)
            except (OSError, subprocess.SubprocessError) as error:
                missing(f"{package} of Debian's {SUITE} cannot be fetched: {error}")
    return place / SUITE / package / path


def _unpack(place: Path) -> None:
    """All of them at once: most of the time goes into the lists."""
    with tempfile.TemporaryDirectory(dir=place, prefix=f".{SUITE}.") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        (scratch / "lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        (scratch / "sources.list").write_text(f"deb {_ARCHIVE} {SUITE} main\n")
        for words in (["update"], ["download", *PACKAGES]):
            _run(["apt-get", "-qq", *_options(scratch), *words], scratch)
        for archive in scratch.glob("*.deb"):
            tree = scratch / "tree" / archive.name.partition("_")[0]
            tree.mkdir(parents=True)
            _run(["dpkg-deb", "--extract", str(archive), str(tree)], scratch)
        (scratch / "tree").rename(place / SUITE)


def _options(scratch: Path) -> list[str]:
    """Lists and archives of its own: the host's are left alone."""
    return [
        f"--option=Dir::Etc::SourceList={scratch}/sources.list",
        "--option=Dir::Etc::SourceParts=/dev/null",
        f"--option=Dir::State::Lists={scratch}/lists",
        f"--option=Dir::Cache={scratch}/cache",
        "--option=APT::Sandbox::User=root",
    ]


def _run(argv: list[str], directory: Path) -> None:
    subprocess.run(argv, cwd=directory, check=True, capture_output=True, timeout=120)
