"""A search on record, small and told in full: the directory that it left.

``web`` needs CAP_CHOWN (in fchownat) and bind. It connects, and does without; it has no use for the rest.
What it prints is hostile.
"""

import errno
from datetime import UTC, datetime
from pathlib import Path

from capmin import frames
from capmin.grant import Grant
from capmin.privileges import Capability, Privilege, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.result import (
    CapabilityAnswer,
    CertificateEntry,
    Confirmation,
    Result,
    ScenarioSummary,
    SyscallAnswer,
    TrialCount,
)
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR
from capmin.store import CampaignIdentity, Store
from capmin.trial import Attempt, Launch, Trial, Verdict

CHOWN = Capability("CAP_CHOWN")
BIND, CONNECT, FCHOWNAT = Syscall("bind"), Syscall("connect"), Syscall("fchownat")
SCENARIO = Scenario(name="serves <b>", test=("/bin/sh", "-c", "curl -f 'http://[::1]/'"), service=True)

USUAL = "17:30 [alert] 12: connect() failed (38: Function not implemented)\n"
CHOWN_LINE = "[emerg] chown(/data) failed (1: Operation not permitted)"
HOSTILE = "<script>alert(1)</script> bind() failed (38: Function not implemented) \x1b[2J\u202e"

DIGEST = "sha256:" + "a" * 64


def attempt(
    privilege: Privilege, syscall: Syscall, *, error: int | None = None, count: int = 1, last_s: float = 0.1
) -> Attempt:
    return Attempt(
        privilege=privilege,
        syscall=syscall,
        program="web",
        errno=error,
        count=count,
        first_s=0.05,
        last_s=last_s,
    )


def trial(
    number: int, phase: str, grant: Grant, *attempts: Attempt, breaks: str = "", output: str = ""
) -> Trial:
    launch = Launch(
        scenario=SCENARIO.name,
        grant=grant,
        exit_code=1 if breaks else 0,
        duration_s=0.25,
        output=output,
        attempts=attempts or None,
    )
    return Trial(
        number=number,
        phase=phase,
        grant=grant,
        launches=(launch,),
        verdict=Verdict.BREAKS if breaks else Verdict.WORKS,
        reason=f"{SCENARIO.name}: {breaks}" if breaks else "the test passed",
    )


ANSWER = Grant(capabilities=frozenset({CHOWN}), syscalls=frozenset({BIND}))
IGNORED = attempt(CONNECT, CONNECT, error=errno.ENOSYS, count=4)
TRIALS = (
    trial(1, "baseline", Grant(capabilities=DOCKER_DEFAULT)),
    trial(
        2,
        "observe",
        ANSWER.with_syscalls(()),
        attempt(CHOWN, FCHOWNAT),
        attempt(BIND, BIND),
        attempt(CONNECT, CONNECT),
    ),
    trial(3, "syscalls", ANSWER, IGNORED, output=USUAL),
    trial(
        4,
        "certify",
        ANSWER.without(frozenset({CHOWN})),
        IGNORED,
        attempt(CHOWN, FCHOWNAT, error=errno.EPERM, count=2),
        breaks="the service ended with exit code 1",
        output=USUAL + CHOWN_LINE,
    ),
    trial(
        5,
        "certify",
        ANSWER.without(frozenset({BIND})),
        attempt(BIND, BIND, error=errno.ENOSYS),
        IGNORED,
        breaks="the service ended with exit code 1",
        output=USUAL + HOSTILE,
    ),
)

RESULT = Result(
    image_reference='web"><img src=x>:1',
    image_digest=DIGEST,
    search_engine="runc 1.1.5",
    confirm_engine="docker 26.1.5",
    kernel="6.18",
    architecture="x86_64",
    ceiling=DOCKER_DEFAULT,
    scenarios=(ScenarioSummary(name=SCENARIO.name, baseline_s=0.2, flake_rate=0.0),),
    capabilities=CapabilityAnswer(
        required=frozenset({CHOWN}), alternatives=(frozenset({Capability("CAP_FOWNER")}),)
    ),
    syscalls=SyscallAnswer(
        required=frozenset({BIND}),
        observed=frozenset({BIND, CONNECT}),
        floor=FLOOR,
        denied_errno=errno.ENOSYS,
    ),
    certificate=(
        CertificateEntry(privilege=CHOWN, trial=4, denied=FCHOWNAT, evidence=CHOWN_LINE),
        CertificateEntry(privilege=BIND, trial=5, denied=BIND, evidence=HOSTILE),
    ),
    trials=TrialCount(total=5, lower_bound=3, launches=5, unresolved=0),
    confirmation=Confirmation(passed=10, runs=10),
    wall_s=3.5,
    files={"seccomp": "seccomp.json", "store": "trials.sqlite", "trials": "trials.parquet", "run": "run.sh"},
    created=datetime(2999, 1, 1, tzinfo=UTC),  # after the store was begun, whenever the tests run
)

IDENTITY = CampaignIdentity(
    image_reference=RESULT.image_reference,
    image_digest=DIGEST,
    scenario_hash="0" * 64,
    engine="runc",
    engine_version="1.1.5",
    kernel="6.18",
    architecture="x86_64",
    denied_errno=errno.ENOSYS,
    ceiling=DOCKER_DEFAULT,
    capmin_version="0.1.0",
)


def write_store(path: Path, *, trials: tuple[Trial, ...] = TRIALS) -> None:
    with Store(path) as store:
        campaign = store.campaign(IDENTITY, scenarios=[SCENARIO])
        for each in trials:
            campaign.record_trial(each)


def write_directory(path: Path, *, store: bool = True, result: Result = RESULT) -> Path:
    """The output directory of the search; without its store, the trials are in Parquet only."""
    path.mkdir(parents=True)
    (path / "result.json").write_text(result.dumps(), encoding="utf-8")
    if store:
        write_store(path / "trials.sqlite")
    else:
        frames.to_parquet(frames.trials_frame(TRIALS), path / "trials.parquet")
    return path
