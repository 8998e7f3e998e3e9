"""Frames made from a store's columns."""

import errno

import pandas as pd

from capmin.frames.columns import INTEGER, TEXT
from capmin.store.columns import StoreReader


def trials(reader: StoreReader, campaign: int) -> pd.DataFrame:
    """The columns of `capmin.frames.TRIALS`, less that of the campaign."""
    frame = pd.DataFrame(reader.trials(campaign))
    launches = _counted(reader, campaign).groupby("trial_id")
    of_launches = pd.DataFrame(
        {
            "launch_count": launches.size(),
            "duration_s": launches["duration_s"].sum(),
            # Where no launch was observed the sum is missing, not 0.
            "denial_count": launches["denial_count"].sum(min_count=1),
        }
    )
    frame = frame.join(of_launches, on="id").fillna({"launch_count": 0, "duration_s": 0.0})
    return _with_grants(reader, frame)


def launches(reader: StoreReader, campaign: int) -> pd.DataFrame:
    """The columns of `capmin.frames.LAUNCHES`, less that of the campaign."""
    frame = pd.DataFrame(reader.launches(campaign))
    numbers = pd.DataFrame(reader.trials(campaign)).set_index("id")["trial"]
    frame = frame.assign(
        trial=frame["trial_id"].map(numbers),
        denial_count=_denial_counts(reader, campaign, frame),
        timed_out=frame["timed_out"].astype(bool),
    )
    return _with_grants(reader, frame).sort_values(["trial", "launch"], ignore_index=True)


def attempts(reader: StoreReader, campaign: int) -> pd.DataFrame:
    """The columns of `capmin.frames.ATTEMPTS`, less that of the campaign."""
    frame = pd.DataFrame(reader.attempts(campaign))
    launches = pd.DataFrame(reader.launch_places(campaign)).set_index("id")
    of_launches = launches.loc[frame["launch_id"]]
    privileges = frame["privilege"].astype(pd.CategoricalDtype())
    kinds = {
        name: "capability" if name.startswith("CAP_") else "syscall" for name in privileges.cat.categories
    }
    frame = frame.assign(
        trial=of_launches["trial"].to_numpy(),
        launch=of_launches["launch"].to_numpy(),
        kind=privileges.astype(object).map(kinds),
        errno=frame["errno"].astype(INTEGER).map(errno.errorcode, na_action="ignore"),
    )
    return frame.sort_values(["trial", "launch"], kind="stable", ignore_index=True)


def _counted(reader: StoreReader, campaign: int) -> pd.DataFrame:
    frame = pd.DataFrame(reader.launch_places(campaign))
    return frame.assign(denial_count=_denial_counts(reader, campaign, frame))


def _denial_counts(reader: StoreReader, campaign: int, launches: pd.DataFrame) -> "pd.Series[int]":
    """Denied attempts by launch; missing where none could be observed."""
    counts = launches["id"].map(reader.denials(campaign)).astype(INTEGER).fillna(0)
    return counts.where(launches["observed"].astype(bool))


def _with_grants(reader: StoreReader, frame: pd.DataFrame) -> pd.DataFrame:
    """The grant of each row as two sets, and how large they are."""
    texts = reader.grants()
    capabilities = [texts[row].capabilities for row in frame["granted_id"]]
    syscalls = [texts[row].syscalls for row in frame["granted_id"]]
    return frame.assign(
        capabilities=capabilities,
        syscalls=pd.Series(syscalls, dtype=TEXT),
        capability_count=[len(text.split()) for text in capabilities],
        syscall_count=pd.Series(
            [None if text is None else text.count(" ") + bool(text) for text in syscalls], dtype=INTEGER
        ),
    )
