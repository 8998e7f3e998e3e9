"""The output directory of a campaign: what is in it, and how it gets there."""

import json
import os
import tempfile
from pathlib import Path

from capmin import emit, frames, plots
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


class OutputDirectory:
    """Where one campaign writes; an unwritable one is told before anything is launched.

    Raises:
        UsageError: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise UsageError(
                f"cannot write to {path}: {error.strerror}; choose another directory with --output"
            ) from error
        self.store = path / STORE

    def files(self, *, syscalls: bool) -> dict[str, str]:
        """What each file is for, and its name here."""
        names = {
            "run": "run.sh",
            "trials": TRIALS_PARQUET,
            "trials_csv": TRIALS_CSV,
            "plot": PLOT,
            "store": STORE,
        }
        if syscalls:
            names |= {"seccomp": "seccomp.json", "seccomp_observed": "seccomp-observed.json"}
        return dict(sorted(names.items()))

    def write_profile(self, profile: Profile) -> None:
        """Write what is ready to use: the docker run line, and the filter in both strengths."""
        emit.write(profile, "docker-run", self.path)
        if profile.required is not None:
            emit.write(profile, "docker-seccomp", self.path)
            emit.write(profile.at(Strictness.OBSERVED), "docker-seccomp", self.path)

    def read_filter(self) -> SeccompProfile:
        """The filter as it was written: what is confirmed is the file."""
        return SeccompProfile.from_oci(json.loads((self.path / "seccomp.json").read_text(encoding="utf-8")))

    def write_result(self, result: Result, findings: Findings) -> None:
        """Write the result, the trials as data frames, and the plot of the search."""
        trials = frames.trials_frame(findings.trials)
        frames.to_csv(trials, self.path / TRIALS_CSV, frames.TRIALS)
        frames.to_parquet(trials, self.path / TRIALS_PARQUET)
        figure = plots.search_path(trials, lower_bound=result.trials.lower_bound)
        figure.savefig(self.path / PLOT, dpi=150)
        self._replace(RESULT, result.dumps().encode())

    def _replace(self, name: str, content: bytes) -> None:
        """Write a whole file or leave the old one."""
        fresh = self.path / f".{name}.{os.getpid()}"
        fresh.write_bytes(content)
        fresh.replace(self.path / name)
