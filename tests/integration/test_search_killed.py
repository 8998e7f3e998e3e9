"""A search that is killed again and again comes to the same answer, and repeats nothing on record.

Kills fall anywhere: in the middle of a launch, of a commit, while files are written. What is on record after
each is a prefix of what the whole campaign records. Launches of a trial that has several scenarios are there
before it has a verdict.
"""

import random
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from capmin.store import Store
from capmin.trial import Launch, Trial
from tests.integration.searching import LIMIT_S, Searcher, wait_until
from tests.integration.test_search import answer, check_proof

pytestmark = pytest.mark.engine("runc")

KILLS = 20
KILLS_BETWEEN = 3
LONGEST_LEG_S = 0.6
"""From the first new trial of a leg: some four trials."""


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_at_twenty_random_points(
    search: Searcher, built: Callable[[str], str], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    arguments = (
        built("tools"),
        "--test",
        "chown nobody /tmp",
        "--engine",
        "runc",
        "--confirm",
        "2",
        "--fresh",
    )
    undisturbed = answer(search(*arguments, output=tmp_path / "undisturbed"))
    kills, campaigns = 0, 0
    while kills < KILLS:
        campaigns += 1
        output = tmp_path / f"disturbed-{campaigns}"
        kills += _kill_until_done(search, arguments, output, moments, KILLS - kills)
        finished = search(*arguments, "--resume", output=output)
        check_proof(finished)
        assert answer(finished) == undisturbed
        assert search.left_at_last() == []
    print(f"{kills} kills in {campaigns} campaigns")


TWO_SCENARIOS = """\
description = "two scenarios: one quick, one that takes its time"
image.reference = "{image}"

[[scenario]]
name = "quick"
test = "chown nobody /tmp"

[[scenario]]
name = "slow"
tmpfs = ["/scratch"]
test = "sleep 0.3 && touch /tmp/x && chown nobody /tmp/x && chmod 600 /tmp/x"
"""


@pytest.mark.timeout(1800)
def test_killed_between_the_scenarios_of_a_trial(
    search: Searcher, built: Callable[[str], str], tmp_path: Path
) -> None:
    """The first launch of a trial is on record before the second, and is not made again."""
    (tmp_path / "workload.toml").write_text(TWO_SCENARIOS.format(image=built("tools")))
    arguments = (
        "--workload",
        str(tmp_path),
        "--engine",
        "runc",
        "--no-syscalls",
        "--confirm",
        "0",
        "--fresh",
    )
    kept: dict[int, tuple[Launch, ...]] = {}
    for _ in range(KILLS_BETWEEN):
        with search.start(*arguments, "--resume", output=search.output) as process:
            _wait_for_new(process.poll, search.output, kept.keys())
            process.kill()
            process.communicate(timeout=LIMIT_S)
        kept |= _begun(search.output)
    assert len(kept) == KILLS_BETWEEN
    finished = search(*arguments, "--resume", output=search.output)
    assert finished.result["capabilities"]["required"] == ["CAP_CHOWN", "CAP_FOWNER"]
    assert finished.result["mounts"] == [{"type": "tmpfs", "target": "/scratch"}]
    assert _certified(search.output) == {"CAP_CHOWN", "CAP_FOWNER"}
    made = {trial.number: trial.launches for trial in finished.trials}
    for number, launches in kept.items():
        assert made[number][: len(launches)] == launches
    assert all(len(launches) <= len(("quick", "slow")) for launches in made.values())
    assert _begun(search.output) == {}


def _certified(output: Path) -> set[str]:
    with Store(output / "trials.sqlite") as store:
        return {entry.privilege for entry in store.campaigns()[-1].certificate()}


def _wait_for_new(ended: Callable[[], int | None], output: Path, old: AbstractSet[int]) -> None:
    wait_until(lambda: ended() is not None or bool(_begun(output).keys() - old))


def _begun(output: Path) -> dict[int, tuple[Launch, ...]]:
    """The launches of trials that have some, and no verdict."""
    if not (output / "trials.sqlite").exists():
        return {}
    with Store(output / "trials.sqlite") as store:
        trials = [trial for campaign in store.campaigns() for trial in campaign.open_trials()]
    return {trial.number: trial.launches for trial in trials if trial.launches}


def _kill_until_done(
    search: Searcher, arguments: tuple[str, ...], output: Path, moments: random.Random, most: int
) -> int:
    """Kill legs of one campaign until ``most`` are, or one came to its end; gives how many were."""
    recorded: tuple[Trial, ...] = ()
    for kills in range(most):
        with search.start(*arguments, "--resume", output=output) as process:
            _wait_for_more(process.poll, output, len(recorded))
            time.sleep(moments.uniform(0.0, LONGEST_LEG_S))
            process.kill()
            process.communicate(timeout=LIMIT_S)
        if process.returncode == 0:
            return kills
        now = _recorded(output)
        assert now[: len(recorded)] == recorded
        recorded = now
    return most


def _wait_for_more(ended: Callable[[], int | None], output: Path, trials: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while ended() is None and len(_recorded(output)) <= trials and time.monotonic() < deadline:
        time.sleep(0.05)


def _recorded(output: Path) -> tuple[Trial, ...]:
    file = output / "trials.sqlite"
    if not file.exists():
        return ()
    with Store(file) as store:
        campaigns = store.campaigns()
        return campaigns[-1].trials() if campaigns else ()
