"""Frames say what the trials say, in documented columns, and files give back equal frames.

- Every frame has the columns of its table, with their types, also when it is empty.
- ``from_parquet(to_parquet(frame)) == frame``, and so for CSV: text with any character, sets, and the
  difference between missing and empty.
- A file without a column is refused with the name of that column.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from capmin import frames
from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.result import CertificateEntry
from capmin.trial import Attempt, Granted, Launch, Trial, Verdict
from tests.unit import trial_strategies as strategies

BUILDERS: dict[str, tuple[Callable[..., pd.DataFrame], frames.Table]] = {
    "trials": (frames.trials_frame, frames.TRIALS),
    "launches": (frames.launches_frame, frames.LAUNCHES),
    "attempts": (frames.attempts_frame, frames.ATTEMPTS),
    "denials": (frames.denials_frame, frames.ATTEMPTS),
    "certificate": (frames.certificate_frame, frames.CERTIFICATE),
}

CHOWN, KILL = Capability("CAP_CHOWN"), Capability("CAP_KILL")
BIND, READ = Syscall("bind"), Syscall("read")
GRANT = Grant(capabilities=frozenset({KILL, CHOWN}), syscalls=frozenset({READ, BIND}))
ATTEMPT = Attempt(privilege=CHOWN, syscall=BIND, program="x", errno=1, count=3, first_s=0.1, last_s=0.2)
USE = Attempt(privilege=READ, syscall=READ, program="x", errno=None, count=2, first_s=0.1, last_s=0.2)
GRANTED = Granted(bounding=frozenset(), effective=frozenset({KILL}), seccomp_mode=2, no_new_privileges=False)
TRIAL = Trial(
    number=7,
    phase="certify",
    grant=GRANT,
    launches=(
        Launch(scenario="test", grant=GRANT, exit_code=1, duration_s=0.5, attempts=(ATTEMPT, USE)),
        Launch(scenario="test", grant=GRANT, exit_code=None, duration_s=0.25, granted=GRANTED),
    ),
    verdict=Verdict.BREAKS,
    reason="exit code 1",
)
DEFAULT_FILTER = Trial(
    number=8,
    phase="certify",
    grant=Grant(capabilities=frozenset()),
    launches=(),
    verdict=Verdict.WORKS,
    reason="",
)


def plain(row: pd.Series) -> dict[str, object]:
    """The cells of a row, None where one is missing."""
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def test_a_trial_is_a_row() -> None:
    assert plain(frames.trials_frame([TRIAL], campaign="nginx").iloc[0]) == {
        "campaign": "nginx",
        "trial": 7,
        "phase": "certify",
        "verdict": "breaks",
        "degraded": False,
        "reason": "exit code 1",
        "capabilities": "CAP_CHOWN CAP_KILL",
        "syscalls": "bind read",
        "capability_count": 2,
        "syscall_count": 2,
        "launch_count": 2,
        "denial_count": 3,
        "duration_s": 0.75,
    }


def test_a_launch_is_a_row() -> None:
    frame = frames.launches_frame([TRIAL])
    assert frame["trial"].tolist() == [7, 7]
    assert frame["launch"].tolist() == [0, 1]
    assert frame["exit_code"].isna().tolist() == [False, True]
    assert plain(frame.iloc[0])["bounding"] is None
    assert plain(frame.iloc[1])["bounding"] == ""
    assert plain(frame.iloc[1])["effective"] == "CAP_KILL"
    assert frame["denial_count"].isna().tolist() == [False, True]


def test_attempts_are_rows_and_denials_those_denied() -> None:
    attempts = frames.attempts_frame([TRIAL])
    assert attempts["privilege"].tolist() == ["CAP_CHOWN", "read"]
    assert attempts["kind"].tolist() == ["capability", "syscall"]
    assert plain(attempts.iloc[1])["errno"] is None
    (denial,) = frames.denials_frame([TRIAL]).to_dict("records")
    assert (denial["privilege"], denial["errno"], denial["count"]) == ("CAP_CHOWN", "EPERM", 3)


def test_a_certificate_entry_is_a_row() -> None:
    entry = CertificateEntry(privilege=CHOWN, trial=7, denied=BIND, evidence="chown failed")
    (row,) = frames.certificate_frame([entry]).to_dict("records")
    assert row == {
        "campaign": "",
        "kind": "capability",
        "privilege": "CAP_CHOWN",
        "trial": 7,
        "denied": "bind",
        "evidence": "chown failed",
    }


def test_the_default_filter_is_not_an_empty_set() -> None:
    row = plain(frames.trials_frame([DEFAULT_FILTER]).iloc[0])
    assert row["capabilities"] == ""
    assert row["syscalls"] is None
    assert row["syscall_count"] is None


def test_members_takes_sets_apart() -> None:
    assert frames.members("bind read") == {"bind", "read"}
    assert frames.members("") == frozenset()


@pytest.mark.parametrize("name", BUILDERS)
def test_a_frame_has_the_columns_and_types_of_its_table(name: str) -> None:
    build, table = BUILDERS[name]
    empty = build([])
    assert list(empty.columns) == list(table)
    for column in table:
        assert empty[column].dtype.name == table[column].dtype.name


@pytest.mark.parametrize("name", ["trials", "launches", "attempts"])
@settings(max_examples=15, deadline=None)  # files, four an example
@given(trials=strategies.campaigns)
def test_files_give_back_equal_frames(name: str, trials: Sequence[Trial]) -> None:
    build, table = BUILDERS[name]
    frame = build(trials, campaign="nginx")
    with tempfile.TemporaryDirectory() as directory:
        parquet, csv = Path(directory, "x.parquet"), Path(directory, "x.csv")
        frames.to_parquet(frame, parquet)
        frames.to_csv(frame, csv, table)
        pd.testing.assert_frame_equal(frames.from_parquet(parquet, table), frame)
        pd.testing.assert_frame_equal(frames.from_csv(csv, table), frame)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_without_a_column_is_refused_with_its_name(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"trials.{ending}"
    frame = frames.trials_frame([TRIAL]).drop(columns=["verdict", "syscalls"])
    if ending == "csv":
        frame.to_csv(path, index=False)
        read = frames.from_csv
    else:
        frame.to_parquet(path)
        read = frames.from_parquet
    with pytest.raises(UsageError, match=rf"trials\.{ending}: the data lacks the columns verdict, syscalls"):
        read(path, frames.TRIALS)


@pytest.mark.parametrize("read", [frames.from_csv, frames.from_parquet])
@pytest.mark.parametrize("content", [None, b"", b"\0\xff not a table"])
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, read: Callable[[Path, frames.Table], pd.DataFrame], content: bytes | None
) -> None:
    path = tmp_path / "trials"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read .*trials"):
        read(path, frames.TRIALS)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    frame = frames.trials_frame([TRIAL])
    with pytest.raises(UsageError, match="cannot write"):
        frames.to_csv(frame, tmp_path / "nowhere" / "x.csv", frames.TRIALS)
    with pytest.raises(UsageError, match="cannot write"):
        frames.to_parquet(frame, tmp_path / "nowhere" / "x.parquet")


def test_campaigns_are_put_together_with_their_types() -> None:
    one = frames.trials_frame([TRIAL], campaign="nginx")
    two = frames.trials_frame([DEFAULT_FILTER, TRIAL], campaign="redis")
    both = frames.concat([one, two], frames.TRIALS)
    assert both["campaign"].tolist() == ["nginx", "redis", "redis"]
    assert both.dtypes["campaign"] == "category"
    assert both.dtypes["verdict"] == one.dtypes["verdict"]
    assert list(frames.concat([], frames.TRIALS).columns) == list(frames.TRIALS)


def test_columns_are_documented() -> None:
    for _, table in BUILDERS.values():
        assert all(column.about for column in table.values())


def test_the_rest_of_capmin_does_not_load_pandas() -> None:
    code = "import sys, capmin.store, capmin.emit, capmin.result; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
