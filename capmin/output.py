"""The output directory of a campaign: what is in it, and how it gets there."""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from capmin import emit
from capmin.errors import UsageError
from capmin.findings import Findings
from capmin.profile import Profile, Strictness
from capmin.result import Result
from capmin.seccomp import SeccompProfile

RESULT = "result.json"
STORE = "trials.sqlite"
TRIALS_CSV = "trials.csv"
TRIALS_PARQUET = "trials.parquet"
PLOT = "search.png"
PROFILES = "profiles"
REPORT = "report.html"


class OutputDirectory:
    """Where one campaign writes; an unwritable one is told before anything is launched.

    ``has_result`` is whether this campaign has written a result by now.

    Raises:
        UsageError: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / STORE
        self._made = [directory for directory in (path, *path.parents) if not directory.exists()]
        self._had_store = self.store.exists()
        self.has_result = False
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            self.take_back()
            raise UsageError(
                f"cannot write to {path}: {error.strerror}; choose another directory with --output"
            ) from error

    def load(self) -> None:
        """Load pandas and matplotlib, 1.3 s, once the search is sure to run, and before anything is timed.

        Not earlier: mistakes on the command line are to be told at once. Not later: it would be what a user
        waits for after Ctrl-C.
        """
        from capmin import frames, plots  # noqa: F401, PLC0415

    def take_back(self) -> None:
        """Remove what was made here for a campaign that found nothing; what was here before stays."""
        if not self._had_store:
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self.store.with_name(STORE + suffix).unlink()
        for directory in self._made:
            with suppress(OSError):  # not empty: somebody else uses it
                directory.rmdir()

    def files(self, *, syscalls: bool) -> dict[str, str]:
        """What each file is for, and its name here."""
        names = {
            "run": "run.sh",
            "trials": TRIALS_PARQUET,
            "trials_csv": TRIALS_CSV,
            "plot": PLOT,
            "profiles": PROFILES,
            "report": REPORT,
            "store": STORE,
        }
        if syscalls:
            names |= {"seccomp": "seccomp.json", "seccomp_observed": "seccomp-observed.json"}
        return dict(sorted(names.items()))

    def write_profile(self, profile: Profile) -> None:
        """Write what is ready to use: docker run line and filter, and all formats in both strengths."""
        emit.write(profile, "docker-run", self.path)
        if profile.required is not None:
            emit.write(profile, "docker-seccomp", self.path)
            emit.write(profile.at(Strictness.OBSERVED), "docker-seccomp", self.path)
        for strictness in Strictness:
            emit.write_all(profile.at(strictness), self.path / PROFILES)

    def read_filter(self) -> SeccompProfile:
        """The filter as it was written: what is confirmed is the file."""
        return SeccompProfile.from_oci(json.loads((self.path / "seccomp.json").read_text(encoding="utf-8")))

    def write_result(self, result: Result, findings: Findings) -> None:
        """Write the result first, then the trials as data frames."""
        self._replace(RESULT, result.dumps().encode())
        self.has_result = True
        from capmin import frames  # noqa: PLC0415 - see `load`

        trials = frames.trials_frame(findings.trials)
        frames.to_csv(trials, self.path / TRIALS_CSV, frames.TRIALS)
        frames.to_parquet(trials, self.path / TRIALS_PARQUET)

    def read_result(self) -> str:
        """The text of the result, as it was written last."""
        return (self.path / RESULT).read_text(encoding="utf-8")

    def write_report(self, result: Result, findings: Findings) -> None:
        """Write the plot of the search, and the page that shows it all from what is on disk by now.

        Once, at the end: each takes longer than 20 launches of a quick test.
        """
        from capmin import frames, plots, records, report  # noqa: PLC0415 - see `load`

        trials = frames.trials_frame(findings.trials)
        figure = plots.search_path(trials, lower_bound=result.trials.lower_bound)
        figure.savefig(self.path / PLOT, dpi=150)
        report.write(records.load(self.path), self.path / REPORT)

    def _replace(self, name: str, content: bytes) -> None:
        """Write a whole file or leave the old one."""
        fresh = self.path / f".{name}.{os.getpid()}"
        fresh.write_bytes(content)
        fresh.replace(self.path / name)
