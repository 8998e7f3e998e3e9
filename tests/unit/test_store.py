"""What was recorded is there, equal, whatever happens to the process, its neighbours or the disk.

- ``trials()`` gives back equal trials, and only those that have a verdict.
- Campaigns of one key are continued, others never.
- A write that fails takes nothing with it that was committed before.
- A process killed at any moment leaves a store with everything in it that it had said was recorded.
"""

import json
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capmin.errors import EngineError, UsageError
from capmin.privileges import Capability, Syscall
from capmin.result import CertificateEntry
from capmin.scenario import Scenario
from capmin.store import Campaign, Status, Store, scenario_hash
from capmin.store.schema import MIGRATIONS, migrate
from capmin.trial import End, Trial
from tests.unit import trial_strategies as strategies
from tests.unit.store_writer import identity, trial

WRITER = [sys.executable, "-m", "tests.unit.store_writer"]
ROOT = Path(__file__).parents[2]


def recorded(path: Path) -> tuple[Trial, ...]:
    with Store(path) as store:
        (campaign,) = store.campaigns()
        return campaign.trials()


@settings(max_examples=40, deadline=None)  # a file an example; the first makes the strategies
@given(trials=strategies.campaigns)
def test_trials_come_back_equal(trials: Sequence[Trial]) -> None:
    with Store(":memory:") as store:
        campaign = store.campaign(identity("a"))
        for made in trials:
            campaign.record_trial(made)
        assert campaign.trials() == tuple(trials)


@settings(max_examples=40, deadline=None)  # a file an example; the first makes the strategies
@given(made=strategies.trials(1), split=st.randoms(use_true_random=False))
def test_launches_recorded_one_by_one_come_back_in_the_trials(made: Trial, split: random.Random) -> None:
    """Whether one process records them, or one goes on where another was killed."""
    with Store(":memory:") as store:
        campaign = store.campaign(identity("a"))
        early = made.launches[: split.randint(0, len(made.launches))]
        campaign.begin(made.number, phase=made.phase, grant=made.grant)
        for launch in early:
            campaign.record_launch(made.number, launch)
        (begun,) = campaign.open_trials()
        assert (begun.number, begun.phase, begun.grant) == (made.number, made.phase, made.grant)
        assert begun.launches == early
        assert campaign.trials() == ()
        if split.random() < 0.5:
            campaign = store.campaign(identity("a"), resume=True)
            campaign.begin(made.number, phase=made.phase, grant=made.grant)
        campaign.record_trial(made)
        assert campaign.trials() == (made,)
        assert campaign.open_trials() == ()


def test_a_file_holds_them_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
    assert recorded(path) == (trial(1, "a"),)


def test_resume_continues_the_latest_campaign_of_its_key() -> None:
    with Store(":memory:") as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
        store.campaign(identity("a")).record_trial(trial(1, "second"))
        store.campaign(identity("b"))
        again = store.campaign(identity("a"), resume=True)
        assert again.trials() == (trial(1, "second"),)


def test_without_resume_nothing_is_continued() -> None:
    with Store(":memory:") as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
        assert store.campaign(identity("a")).trials() == ()
        assert [campaign.identity for campaign in store.campaigns()] == [identity("a")] * 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_digest", "sha256:other"),
        ("scenario_hash", "other"),
        ("engine", "docker"),
        ("engine_version", "1.2"),
        ("kernel", "6.19"),
        ("architecture", "arm64"),
        ("denied_errno", 1),
        ("ceiling", frozenset({Capability("CAP_CHOWN")})),
        ("capmin_version", "0.2.0"),
    ],
)
def test_what_changes_a_trial_is_not_continued(field: str, value: object) -> None:
    with Store(":memory:") as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
        other = replace(identity("a"), **{field: value})  # type: ignore[arg-type]  # one of its fields
        assert store.campaign(other, resume=True).trials() == ()
        assert store.campaigns()[-1].identity == other


@pytest.mark.parametrize(("field", "value"), [("image_reference", "nginx:2"), ("options", '{"workers": 2}')])
def test_what_does_not_change_a_trial_is_continued(field: str, value: str) -> None:
    with Store(":memory:") as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
        other = replace(identity("a"), **{field: value})  # type: ignore[arg-type]  # one of its fields
        assert store.campaign(other, resume=True).trials() == (trial(1, "a"),)


def test_scenario_hash_tells_scenarios_apart() -> None:
    one, two = Scenario(test=("true",)), Scenario(test=("true",), service=True)
    assert scenario_hash([one]) == scenario_hash([Scenario(test=("true",))])
    assert len({scenario_hash(each) for each in ([], [one], [two], [one, two], [two, one])}) == 5


def test_scenarios_are_on_record(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.campaign(identity("a"), scenarios=[Scenario(name="first", test=("true",))])
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, definition FROM scenario").fetchall()
    assert [(name, json.loads(text)["test"]) for name, text in rows] == [("first", ["true"])]


def test_certificate_status_and_result_are_on_record() -> None:
    with Store(":memory:") as store:
        campaign = store.campaign(identity("a"))
        assert campaign.status is Status.RUNNING
        assert campaign.result is None
        first = CertificateEntry(privilege=Capability("CAP_CHOWN"), trial=3)
        bind = CertificateEntry(privilege=Syscall("bind"), trial=4, presumed=True)
        later = replace(first, trial=7, denied=Syscall("fchownat"), evidence="chown failed")
        campaign.certify([first, bind])
        campaign.certify([later])
        campaign.finish(Status.DONE, {"schema": "x"})
        assert campaign.certificate() == (bind, later)
        assert store.campaigns()[0].status is Status.DONE
        assert store.campaigns()[0].result == {"schema": "x"}


def test_a_number_is_given_once() -> None:
    with Store(":memory:") as store:
        campaign = store.campaign(identity("a"))
        campaign.record_trial(trial(1, "a"))
        with pytest.raises(UsageError, match=r"trial 1 .* another capmin search"):
            store.campaigns()[0].record_trial(trial(1, "other"))
        assert campaign.trials() == (trial(1, "a"),)


def test_two_processes_that_make_the_same_trial_are_told() -> None:
    made = trial(1, "a")
    with Store(":memory:") as store:
        one, other = store.campaign(identity("a")), store.campaign(identity("a"), resume=True)
        for campaign in (one, other):
            campaign.begin(1, phase=made.phase, grant=made.grant)
        one.record_launch(1, made.launches[0])
        with pytest.raises(UsageError, match=r"trial 1 .* another capmin search"):
            other.record_launch(1, made.launches[0])
        one.record_trial(made)
        with pytest.raises(UsageError, match=r"trial 1 .* another capmin search"):
            other.record_trial(replace(made, launches=()))
        with pytest.raises(UsageError, match=r"trial 1 .* another capmin search"):
            other.begin(1, phase="another", grant=made.grant)
        assert one.trials() == (made,)


def run_trials(campaign: Campaign, label: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        campaign.begin(number, phase="syscalls", grant=trial(number, label).grant)
        for launch in trial(number, label).launches:
            campaign.record_launch(number, launch)
        campaign.record_trial(trial(number, label))


def test_threads_share_a_campaign(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store, ThreadPoolExecutor(8) as pool:
        campaign = store.campaign(identity("a"))
        list(pool.map(lambda first: run_trials(campaign, "a", range(first, 81, 8)), range(1, 9)))
        trials = campaign.trials()
        assert [each.number for each in trials] == list(range(1, 81))
        assert all(each.launches == trial(each.number, "a").launches for each in trials)


def writer(path: Path, label: str, *count: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*WRITER, path, label, *count], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_share_a_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    processes = [writer(path, label, "40") for label in "abc"]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    with Store(path) as store:
        trials = [each for campaign in store.campaigns() for each in campaign.trials()]
    assert len(trials) == 40 * 3
    assert check(path) == "ok"


def test_one_of_the_processes_that_go_on_with_a_campaign_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.campaign(identity("a"))
    errors = [process.communicate(timeout=120)[1] for process in [writer(path, "a", "40") for _ in range(3)]]
    assert "" in errors
    assert all("another capmin search" in words for words in errors if words)
    trials = recorded(path)
    assert len(trials) >= 40
    assert all(each.launches == trial(each.number, "a").launches for each in trials)
    assert check(path) == "ok"


def check(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        answer: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return answer


def test_a_process_killed_at_any_moment_loses_nothing_it_had_recorded(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    chance = random.Random(7)
    said: list[str] = []
    for _ in range(12):
        with writer(path, "a") as process:
            assert process.stdout is not None
            said += [process.stdout.readline() for _ in range(chance.randint(2, 6))]
            time.sleep(chance.uniform(0, 0.01))
            process.send_signal(signal.SIGKILL)
            # The last line may be cut short: what it was about to say does not count.
            said += [line for line in process.stdout if line.endswith("\n")]
            assert process.wait() == -signal.SIGKILL
        with Store(path) as store:
            (campaign,) = store.campaigns()
            trials = {each.number: each for each in campaign.trials()}
            begun = {each.number: each for each in campaign.open_trials()}
        for kind, number in (line.split() for line in said):
            assert_recorded(kind, int(number), trials, begun)
    assert check(path) == "ok"


def assert_recorded(kind: str, number: int, trials: dict[int, Trial], begun: Mapping[int, object]) -> None:
    if kind == "trial":
        assert trials[number].launches == trial(number, "a").launches
    else:
        assert number in trials or number in begun


def record_until_it_fails(campaign: Campaign, done: list[Trial]) -> None:
    for number in range(1, 1000):
        campaign.record_trial(trial(number, str(number) * 40))
        done.append(trial(number, str(number) * 40))


def test_a_full_disk_stops_it_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path)
    campaign = store.campaign(identity("a"))
    store._database._connection.execute("PRAGMA max_page_count = 40")
    done: list[Trial] = []
    with pytest.raises(EngineError, match=r"disk is full\n.* --resume"):
        record_until_it_fails(campaign, done)
    assert campaign.trials() == tuple(done)
    assert done
    store._database._connection.execute("PRAGMA max_page_count = 4000")
    campaign.record_trial(trial(len(done) + 1, "after"))
    store.close()
    assert len(recorded(path)) == len(done) + 1


def test_a_file_that_may_not_grow_stops_it_too(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    limit = 200_000
    process = subprocess.run(
        [*WRITER, path, "a"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "capmin.errors.EngineError: the store" in process.stderr
    said = [line for line in process.stdout.splitlines() if line.startswith("trial")]
    assert len(recorded(path)) == len(said) > 1


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100, b"short"])
def test_another_file_is_not_taken_for_a_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot use the store .*file.*--store"):
        Store(path)
    assert path.read_bytes() == content


def test_another_database_is_not_taken_for_a_store(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(UsageError, match="not a store of capmin"):
        Store(path)


def test_a_store_of_a_later_capmin_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match=r"a later capmin made it \(version 99"):
        Store(path)


def test_a_store_of_an_earlier_capmin_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    migrate(connection, [*MIGRATIONS, "ALTER TABLE trial ADD COLUMN note TEXT;"])
    connection.execute("COMMIT")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    assert connection.execute("SELECT number, note FROM trial").fetchall() == [(1, None)]
    connection.close()


def test_ends_and_watched_calls_come_back_equal() -> None:
    bind, poll = Syscall("bind"), Syscall("poll")
    ends = (
        End(program="worker é", code=None, denied=(poll, bind), at_s=0.5),
        End(program="web", code=1, denied=(), at_s=1.5),
    )
    plain = trial(1, "a").launches[0]
    launch = replace(plain, ends=ends, watched=frozenset({bind, poll}))
    made = replace(trial(1, "a"), launches=(launch, plain))
    with Store(":memory:") as store:
        campaign = store.campaign(identity("a"))
        campaign.record_trial(made)
        assert campaign.trials() == (made,)


def test_launches_of_before_ends_were_noted_have_none(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.campaign(identity("a")).record_trial(trial(1, "a"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE launch DROP COLUMN ends")
        connection.execute("ALTER TABLE launch DROP COLUMN watched_id")
        connection.execute("PRAGMA user_version = 3")
    (made,) = recorded(path)
    assert made == trial(1, "a")
    assert all((launch.ends, launch.watched) == ((), frozenset()) for launch in made.launches)


@pytest.mark.parametrize("name", ["nowhere/store.sqlite", "."])
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="unable to open database file"):
        Store(tmp_path / name)
