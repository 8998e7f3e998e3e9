"""Programs of Debian 13 that Debian 12 lacks or has too old: taken out of their packages, not installed.

Only what needs nothing but the C library, such as programs written in Go. 5 s and 40 MB once, then cached.
"""

import fcntl
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import missing

SUITE = "trixie"
_ARCHIVE = "http://deb.debian.org/debian"


def program_of(package: str, path: str, cache_dir: Path) -> Path:
    """The program at ``path`` in a package; skips the test, or fails it in CI, where it cannot be had."""
    place = cache_dir / "programs" / SUITE
    place.mkdir(parents=True, exist_ok=True)
    program = place / package / path
    with (place / f".{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait, and then have it
        if not program.exists():
            try:
                _unpack(package, place)
            except (OSError, subprocess.CalledProcessError) as error:
                missing(f"{package} of Debian's {SUITE} cannot be fetched: {error}")
    return program


def _unpack(package: str, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place, prefix=f".{package}.") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        (scratch / "lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        (scratch / "sources.list").write_text(f"deb {_ARCHIVE} {SUITE} main\n")
        for words in (["update"], ["download", package]):
            _run(["apt-get", "-qq", *_options(scratch), *words], scratch)
        [archive] = scratch.glob("*.deb")
        _run(["dpkg-deb", "--extract", str(archive), str(scratch / "tree")], scratch)
        (scratch / "tree").rename(place / package)


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
