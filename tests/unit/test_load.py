"""`capmin.load` gives what was recorded, from whatever place it is named by.

- A directory, its result, its store: the same trials, launches and attempts as the objects give.
- A folder of many: all of them, told apart by name; `only` and `each` take them apart again.
- Without a store: the trials of the files beside the result, and no launches.
- Nothing is written, and no file is made beside a store; an older store is read as it would be migrated.
- Whatever cannot be read is told in one line with its name.
- ``import capmin`` imports neither pandas nor anything else of weight.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

import capmin
from capmin import frames
from capmin.errors import UsageError
from capmin.privileges import Syscall
from capmin.records import CAMPAIGNS
from capmin.store import Store
from capmin.store.schema import MIGRATIONS, migrate
from capmin.trial import Trial
from tests.unit import trial_strategies as strategies
from tests.unit.recorded import IDENTITY, RESULT, TRIALS, write_directory, write_store

BUILDERS: dict[str, Callable[..., pd.DataFrame]] = {
    "trials": frames.trials_frame,
    "launches": frames.launches_frame,
    "attempts": frames.attempts_frame,
    "denials": frames.denials_frame,
}


def listing(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("name", BUILDERS)
def test_frames_are_those_of_the_objects(name: str, tmp_path: Path) -> None:
    records = capmin.load(write_directory(tmp_path / "web"))
    pd.testing.assert_frame_equal(getattr(records, name), BUILDERS[name](TRIALS, campaign="web"))


@settings(max_examples=15, deadline=None)  # a store an example
@given(trials=strategies.campaigns)
def test_frames_are_those_of_the_objects_whatever_was_recorded(
    trials: tuple[Trial, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "trials.sqlite"
    write_store(path, trials=trials)
    records = capmin.load(path)
    with Store(path) as store:
        recorded = store.campaigns()[0].trials()
    for name, build in BUILDERS.items():
        expected = build(recorded, campaign=IDENTITY.image_reference)
        pd.testing.assert_frame_equal(getattr(records, name), expected, check_categorical=False)


def test_the_certificate_is_that_of_the_result(tmp_path: Path) -> None:
    records = capmin.load(write_directory(tmp_path / "web"))
    expected = frames.certificate_frame(RESULT.certificate, campaign="web")
    pd.testing.assert_frame_equal(records.certificate, expected, check_like=True)


def test_a_campaign_is_a_row(tmp_path: Path) -> None:
    row = capmin.load(write_directory(tmp_path / "web")).campaigns.iloc[0]
    assert list(row.index) == list(CAMPAIGNS)
    assert row["capabilities"] == "CAP_CHOWN"
    assert (row["syscall_count"], row["observed_count"]) == (1, 2)
    assert (row["trial_count"], row["lower_bound"]) == (5, 3)


@pytest.mark.parametrize("name", [".", "result.json", "trials.sqlite"])
def test_every_name_of_it_gives_the_same_trials(name: str, tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "web")
    trials = capmin.load(directory / name).trials.drop(columns="campaign")
    pd.testing.assert_frame_equal(trials, frames.trials_frame(TRIALS).drop(columns="campaign"))


def test_many_are_told_apart(tmp_path: Path) -> None:
    for name in ("b", "a", "more/c"):
        write_directory(tmp_path / name)
    records = capmin.load(tmp_path)
    assert records.names == ("a", "b", "more/c")
    assert records.trials.groupby("campaign", observed=True).size().tolist() == [5, 5, 5]
    assert [one.names for one in records.each()] == [("a",), ("b",), ("more/c",)]
    assert records.only("b").trials["campaign"].unique().tolist() == ["b"]
    with pytest.raises(UsageError, match="there are: a, b, more/c"):
        records.only("x")


def test_a_result_takes_its_own_campaign_of_a_store_of_many(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "web")
    other = replace(IDENTITY, image_digest="sha256:" + "b" * 64)
    with Store(directory / "trials.sqlite") as store:
        store.campaign(other)
    assert len(capmin.load(directory).trials) == len(TRIALS)
    assert len(capmin.load(directory / "trials.sqlite").names) == 2


def test_without_a_store_there_are_trials_and_no_launches(tmp_path: Path) -> None:
    records = capmin.load(write_directory(tmp_path / "web", store=False))
    pd.testing.assert_frame_equal(records.trials, frames.trials_frame(TRIALS, campaign="web"))
    assert not records.has_launches
    assert len(records.launches) == len(records.attempts) == 0
    assert records.launches.dtypes["timed_out"] == "boolean"


def test_nothing_is_written(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "web")
    before = listing(directory)
    records = capmin.load(directory)
    assert all(len(getattr(records, name)) for name in BUILDERS)
    assert listing(directory) == before


def test_a_store_is_read_while_a_search_writes_to_it(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "web")
    with Store(directory / "trials.sqlite") as store:
        campaign = store.campaigns()[0]
        campaign.record_trial(replace(TRIALS[2], number=6))
        assert len(capmin.load(directory).trials) == 6


def test_each_frame_has_what_was_written_when_it_is_first_asked_for(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "web")
    records = capmin.load(directory)
    assert len(records.trials) == len(TRIALS)
    new = replace(TRIALS[2], number=6, grant=TRIALS[2].grant.with_syscalls({Syscall("rename")}))
    new = replace(new, launches=(replace(new.launches[0], grant=new.grant),))
    with Store(directory / "trials.sqlite") as store:
        store.campaigns()[0].record_trial(new)
        assert records.launches["syscalls"].tolist()[-1] == "rename"


def test_an_older_store_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    connection = sqlite3.connect(path)
    migrate(connection, MIGRATIONS[:1])
    connection.execute("INSERT INTO granted VALUES (1, 1, NULL)")
    connection.execute(
        "INSERT INTO campaign VALUES (1, 'key', 'web:1', 'digest', 'hash', 'runc', '1', '6', 'x86_64', 38, "
        "1, '0.1', '{}', '2026-11-21T20:00:00Z', 'done', NULL)"
    )
    connection.execute("INSERT INTO trial VALUES (1, 1, 1, 'baseline', 1, 'works', '', 0)")
    connection.execute(
        "INSERT INTO launch (trial_id, position, scenario, granted_id, timed_out, duration_s, output, "
        "probe_output, observed) VALUES (1, 0, 'test', 1, 0, 0.5, 'hello', '', 0)"
    )
    connection.commit()
    connection.close()
    before = path.read_bytes()
    records = capmin.load(path)
    assert records.launches["output"].tolist() == ["hello"]
    assert records.trials["capabilities"].tolist() == ["CAP_CHOWN"]
    assert path.read_bytes() == before


def test_a_read_only_directory_is_enough(tmp_path: Path) -> None:
    # Root may write anywhere: the modes tell nothing to it, but the file system's refusal is the same.
    directory = write_directory(tmp_path / "web")
    directory.chmod(0o555)
    try:
        assert len(capmin.load(directory).attempts) == 8
    finally:
        directory.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("result.json", "{", "it is not JSON"),
        ("result.json", '{"schema": "other"}', "not a result of capmin search"),
        ("x.sqlite", "hello", "cannot read the store"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=words):
        capmin.load(tmp_path / name)


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        capmin.load(tmp_path / "none")
    with pytest.raises(UsageError, match="nothing of capmin search"):
        capmin.load(tmp_path)


def test_another_database_is_told(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.sqlite").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(UsageError, match="not a store of capmin"):
        capmin.load(tmp_path / "x.sqlite")


def test_a_moved_directory_goes_by_its_new_name(tmp_path: Path) -> None:
    shutil.move(write_directory(tmp_path / "web"), tmp_path / "shop")
    assert capmin.load(tmp_path / "shop").names == ("shop",)


def test_importing_capmin_is_light() -> None:
    code = "import json, sys, capmin; print(json.dumps([m for m in sys.modules if '.' not in m]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "numpy", "matplotlib", "docker", "pyarrow"} & set(json.loads(done.stdout))


def test_capmin_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = capmin.nothing
