"""One search of a real program, run as a user runs it, and what it cost by phase."""

import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from capmin.cli import main as capmin
from capmin.output import RESULT, STORE
from capmin.privileges import Capability, Privilege, Syscall
from capmin.scenario import Scenario
from capmin.store import Store

NO_DAEMON = "unix:///nowhere.sock"
"""runc confirms what it has searched, whatever else is on the host."""

FOOTING = ("baseline", "observe", "compare")
"""The phases whose launches have everything granted: they find out what is usual, and search nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A search that has ended; the launches of its confirmation are no trials.

    ``phases`` says how many trials each took, ``certified`` how many privileges have a proof, ``warnings``
    what was on stderr.
    """

    kept: frozenset[Privilege]
    certified: int
    phases: Mapping[str, int]
    wall_s: float
    warnings: str

    @property
    def all_trials(self) -> int:
        return sum(self.phases.values())

    @property
    def trials(self) -> int:
        """Those of the search and of the certificate; that what is searched passes at all is one of them."""
        return sum(count for phase, count in self.phases.items() if phase not in FOOTING)

    @property
    def alternatives(self) -> int:
        """The trials in which other sets were looked for: no part of the answer's own cost."""
        return self.phases.get("alternatives", 0)

    @property
    def lower_bound(self) -> int:
        return len(self.kept) + 1

    @property
    def ratio(self) -> float:
        return self.trials / self.lower_bound

    @property
    def all_ratio(self) -> float:
        return self.all_trials / self.lower_bound


class SearchFailed(Exception):
    """The search ended with an error; its words say which."""


def search(image: str, scenario: Scenario, output: Path, options: Sequence[str]) -> Search:
    """Search for one scenario; a second time with the same ``output`` what was found before is remembered.

    Raises:
        SearchFailed: there is no confirmed answer.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    words = ["search", image, "--test", json.dumps(scenario.test), "--engine", "runc", *options]
    with redirect_stdout(stdout), redirect_stderr(stderr), _without_daemon():
        code = capmin([*words, "--output", str(output), "--format", "json"])
    if code != 0:
        raise SearchFailed(f"{scenario.name}: exit code {code}: {stderr.getvalue().strip()}")
    result = json.loads((output / RESULT).read_text(encoding="utf-8"))
    with Store(output / STORE) as store:
        phases = Counter(trial.phase for trial in store.campaigns()[-1].trials())
    return Search(
        kept=frozenset(map(Capability, _required(result["capabilities"])))
        | frozenset(map(Syscall, _required(result["syscalls"]))),
        certified=len(result["certificate"]),
        phases=dict(phases),
        wall_s=result["wall_s"],
        warnings=stderr.getvalue().strip(),
    )


def _required(answer: Mapping[str, Sequence[str]] | None) -> Sequence[str]:
    return () if answer is None else answer["required"]


@contextmanager
def _without_daemon() -> Iterator[None]:
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = NO_DAEMON
    try:
        yield
    finally:
        if before is None:
            del os.environ["DOCKER_HOST"]
        else:
            os.environ["DOCKER_HOST"] = before
