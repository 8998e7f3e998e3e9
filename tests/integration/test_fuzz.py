"""`capmin fuzz` on real containers, as a user runs it after a search.

- A test that breaks with one capability unless it has another is searched, and no search sees that: the
  trap is found, shrunk to the pair, written down, and stands when it is replayed.
- Replayed where the trap is not, it does not stand.
- An answer that something was taken out of fails by itself, and that is told.
- A result without its store asks for the test.
"""

import io
import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from capmin.cli import main
from capmin.store import Store
from capmin.trial import Verdict
from tests.integration.searching import NOWHERE, Searcher

# CAP_KILL is bit 5 of the mask that the kernel shows, CAP_CHOWN bit 0 (include/uapi/linux/capability.h).
# Only chown is needed; and with CAP_SETUID, bit 7, the test wants CAP_SETGID, bit 6, too.
TRAP = """
mask=0x$(sed -n 's/CapEff:[[:space:]]*//p' /proc/self/status)
if [ $((mask >> 7 & 1)) = 1 ] && [ $((mask >> 6 & 1)) = 0 ]; then
    echo "may become another user, but cannot leave its groups" >&2
    exit 1
fi
chown 5 /tmp
"""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command has said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        assert self.stdout, self.stderr
        document: dict[str, Any] = json.loads(self.stdout)
        return document


@pytest.fixture
def fuzz(search: Searcher) -> Callable[..., Said]:
    def run(*arguments: str) -> Said:
        stdout, stderr = io.StringIO(), io.StringIO()
        environment = patch.dict(os.environ, search.environment(NOWHERE))
        with redirect_stdout(stdout), redirect_stderr(stderr), environment:
            code = main(["fuzz", *arguments])
        return Said(code=code, stdout=stdout.getvalue(), stderr=stderr.getvalue())

    return run


Fuzz = Callable[..., Said]


@pytest.mark.long
@pytest.mark.engine("runc")
def test_a_trap_is_found_and_replayed(
    search: Searcher, fuzz: Fuzz, built: Callable[[str], str], tmp_path: Path
) -> None:
    image, output = built("tools"), str(search.output)
    done = search(image, "--test", TRAP, "--engine", "runc", "--no-syscalls", "--confirm", "1")
    assert done.result["capabilities"]["required"] == ["CAP_CHOWN"]

    said = fuzz(output, "--launches", "40", "--format", "json")
    assert said.code == 1, said.stderr
    [trap] = said.document["counterexamples"]
    assert (trap["kind"], trap["granted"], trap["lacking"]) == ("trap", ["CAP_SETUID"], ["CAP_SETGID"])
    assert trap["evidence"] == "may become another user, but cannot leave its groups"
    assert (trap["smallest"], trap["seen"]) == (True, {"times": 5, "launches": 5})
    assert said.document["parts"] == 1
    _recorded(search.output / "fuzz", said.document["launches"])

    replayed = fuzz(output, "--replay", trap["file"])
    assert replayed.code == 1
    assert "trap: granting CAP_SETUID without CAP_SETGID breaks it" in replayed.stdout
    assert "with CAP_SETGID in addition it passes" in replayed.stdout
    mended = fuzz(
        output, "--replay", trap["file"], "--test", "chown 5 /tmp", "--output", str(tmp_path / "other")
    )
    assert mended.code == 0
    assert "no more: 0 of 5 launches failed" in mended.stdout


def _recorded(directory: Path, launches: int) -> None:
    with Store(directory / "launches.sqlite") as store:
        [campaign] = store.campaigns()
        trials = [trial for trial in campaign.trials() if trial.phase == "fuzz"]
    assert sum(len(trial.launches) for trial in trials) == launches
    assert {trial.verdict for trial in trials} == {Verdict.WORKS, Verdict.BREAKS}


@pytest.mark.long
@pytest.mark.engine("runc")
def test_system_calls_too(search: Searcher, fuzz: Fuzz, built: Callable[[str], str]) -> None:
    done = search(
        built("tools"), "--test", '["/bin/chown", "5", "/tmp"]', "--engine", "runc", "--confirm", "1"
    )
    needed = {*done.result["capabilities"]["required"], *done.result["syscalls"]["required"]}
    said = fuzz(str(search.output), "--launches", "60", "--format", "json")
    assert (said.code, said.document["counterexamples"]) == (0, []), said.document["counterexamples"]
    assert said.document["holds"]
    assert said.document["wider"] + said.document["parts"] > 40
    with Store(search.output / "fuzz" / "launches.sqlite") as store:
        grants = {trial.grant for trial in store.campaigns()[0].trials() if trial.phase == "fuzz"}
    parts = [grant for grant in grants if grant.privileges < needed]
    wider = [grant for grant in grants if grant.privileges > needed]
    assert len(parts) + len(wider) + 1 == len(grants)
    assert max(len(grant.privileges) for grant in wider) > 60

    written = search.output / "result.json"
    document = json.loads(written.read_text())
    document["capabilities"]["required"] = []
    written.write_text(json.dumps(document))
    damaged = fuzz(str(search.output), "--launches", "60")
    assert damaged.code == 1
    assert "the answer    fails by itself: test: the test ended with exit code 1" in damaged.stdout
    assert "chown: changing ownership of '/tmp': Operation not permitted" in damaged.stdout


def test_without_a_store_the_test_is_asked_for(fuzz: Fuzz, tmp_path: Path) -> None:
    source = Path(__file__).parent / "chown_result.json"
    (tmp_path / "result.json").write_text(source.read_text())
    said = fuzz(str(tmp_path))
    assert said.code == 2
    assert "say --workload DIR, or --test COMMAND" in said.stderr
    assert not (tmp_path / "fuzz").exists()
