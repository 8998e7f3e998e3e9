"""Which Debian archive to build from, and how to reach it."""

import os

from capmin.engines._process import run


def archives(suite: str) -> list[str]:
    """Lines of sources.list(5) for a suite, in mmdebstrap's order of arguments; none for its own defaults.

    ``CAPMIN_DEBIAN_MIRROR`` (a URL) wins; else the archive that this host's apt uses for that suite; else
    mmdebstrap's default, deb.debian.org with the security updates.
    """
    mirror = os.environ.get("CAPMIN_DEBIAN_MIRROR")
    return [mirror] if mirror else _configured(suite)


def apt_options() -> list[str]:
    """How this host's apt reaches archives: mmdebstrap's own apt does not read the host's configuration."""
    done = run(
        ["apt-config", "dump", "--format", "%f %v%n", "Acquire::http::Proxy", "Acquire::https::Proxy"],
        may_fail=True,
    )
    pairs = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [f'--aptopt={pair[0]} "{pair[1]}"' for pair in pairs if len(pair) == 2]  # noqa: PLR2004 - a pair


def _configured(suite: str) -> list[str]:
    """Only Debian's own archive: third parties use Debian's names for their suites too."""
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    done = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)",
         "Created-By: Packages"],
        may_fail=True,
    )  # fmt: skip
    fields = [line.split() for line in done.stdout.splitlines()]
    lines = [f"deb {f[0]} {f[1]} main" for f in fields if f[1] in wanted and f[2:] == ["main", "Debian"]]
    # Without the suite itself (only lists that were never fetched lack an origin) there is nothing to build.
    return lines if any(line.endswith(f" {suite} main") for line in lines) else []
