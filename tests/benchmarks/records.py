"""100,000 recorded trials: how large the store is, and how long loading and the report take.

    .venv/bin/python -m tests.benchmarks.records [TRIALS]

Trials are like those of a real search for nginx: one launch, about five denied calls, a line or two of
output, and mostly grants of their own.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.records import load
from capmin.store import CampaignIdentity, Store
from capmin.trial import Attempt, Granted, Launch, Trial, Verdict

Made = TypeVar("Made")

IDENTITY = CampaignIdentity(
    image_reference="benchmark:1",
    image_digest="sha256:" + "0" * 64,
    scenario_hash="0" * 64,
    engine="runc",
    engine_version="1.1.5",
    kernel="6.18",
    architecture="x86_64",
    denied_errno=38,
    ceiling=DOCKER_DEFAULT,
    capmin_version="0.1.0",
)

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
        yield _trial(number, grant, denied, chance)


def _trial(number: int, grant: Grant, denied: list[Syscall], chance: random.Random) -> Trial:
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
                errno=38,
                count=chance.randrange(1, 4),
                first_s=chance.random(),
                last_s=1 + chance.random(),
            )
            for name in denied
        ),
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
    started = time.perf_counter()
    made = act()
    print(f"{what:36} {time.perf_counter() - started:8.2f} s", flush=True)
    return made


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        path = Path(directory) / "trials.sqlite"
        timed(f"record {count:,} trials", lambda: fill(path, count))
        print(f"{'store':36} {path.stat().st_size / 1e6:8.1f} MB")
        timed("load all frames", lambda: load(path))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
