"""100,000 recorded trials: how large the store is, and how long loading and the report take.

    .venv/bin/python -m tests.benchmarks.records [TRIALS]

Trials are like those of a real search for nginx: one launch, about five denied calls and ten that were
watched and granted, the end of a process, a line or two of output, and mostly grants of their own.

On a quiet machine of two cores, in seconds, in the process that has just written the store: trials 2.0,
launches 2.1, attempts 6.9 (1.5 million rows), the report 12 with reading all of these. With five denied calls
alone it was 1.7, 2.0, 2.0 and 6.1, and less than 1 for trials and launches in a process of its own. The store
has 135 MB. Most of it is SQLite's values made Python's.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.records import load
from capmin.report import render
from capmin.store import Store
from capmin.trial import Attempt, End, Granted, Launch, Trial, Verdict
from tests.unit.recorded import IDENTITY, RESULT

Made = TypeVar("Made")

OUTPUT = "2026/11/21 20:17:43 [emerg] 1#-1: {}() failed (38: Function not implemented)\n"


def trials(count: int, *, seed: int = 0) -> Iterator[Trial]:
    """Trials of one campaign, numbered from 1."""
    chance = random.Random(seed)
    names = sorted(table("x86_64"))[:60]
    capabilities = sorted(DOCKER_DEFAULT, key=CAPABILITIES.index)
    for number in range(1, count + 1):
        denied = chance.sample(names, 5)
        grant = Grant(
            capabilities=frozenset(chance.sample(capabilities, 5))
            if number % 10 == 0
            else frozenset(capabilities),
            syscalls=frozenset(names).difference(denied),
        )
        watched = chance.sample(sorted(grant.syscalls or ()), 10)
        yield _trial(number, grant, denied, watched, chance)


def _trial(
    number: int, grant: Grant, denied: list[Syscall], watched: list[Syscall], chance: random.Random
) -> Trial:
    passes = chance.random() < 0.3
    launch = Launch(
        scenario="serves its page",
        grant=grant,
        exit_code=0 if passes else 1,
        duration_s=chance.uniform(0.1, 0.3),
        output="" if passes else OUTPUT.format(denied[-1]),
        attempts=tuple(
            Attempt(
                privilege=name,
                syscall=name,
                program="nginx",
                errno=38 if name in denied else None,
                count=chance.randrange(1, 4),
                first_s=chance.random(),
                last_s=1 + chance.random(),
            )
            for name in (*denied, *watched)
        ),
        ends=() if passes else (End(program="nginx", code=1, denied=tuple(denied), at_s=chance.random()),),
        watched=frozenset((*denied, *watched)),
        granted=Granted(
            bounding=grant.capabilities,
            effective=grant.capabilities,
            seccomp_mode=2,
            no_new_privileges=False,
        ),
    )
    return Trial(
        number=number,
        phase="syscalls",
        grant=grant,
        launches=(launch,),
        verdict=Verdict.WORKS if passes else Verdict.BREAKS,
        reason="the test passed" if passes else "serves its page: the service ended with exit code 1",
    )


def fill(path: Path, count: int) -> None:
    """Record so many trials, a transaction each, as a search does."""
    with Store(path) as store:
        campaign = store.campaign(IDENTITY)
        for trial in trials(count):
            campaign.record_trial(trial)


def timed(what: str, act: Callable[[], Made]) -> Made:
    started, used = time.perf_counter(), time.process_time()
    made = act()
    elapsed_s, processor_s = time.perf_counter() - started, time.process_time() - used
    print(f"{what:40} {elapsed_s:8.2f} s, {processor_s:.2f} s of processor", flush=True)
    return made


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = Path(name)
        (directory / "result.json").write_text(RESULT.dumps(), encoding="utf-8")
        path = directory / "trials.sqlite"
        timed(f"record {count:,} trials, one by one", lambda: fill(path, count))
        print(f"{'store':40} {path.stat().st_size / 1e6:8.1f} MB")
        records = timed("load", lambda: load(directory))
        for frame in ("trials", "launches", "attempts", "certificate"):
            timed(f"  frame: {frame}", partial(getattr, records, frame))
        page = timed("report, frames not yet read", lambda: render(load(directory)))
        print(f"{'page':40} {len(page) / 1e6:8.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
