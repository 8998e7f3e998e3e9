"""Writes to a store until it is killed, and says what is on record: run by test_store.py as a process.

store_writer.py FILE LABEL [COUNT]
"""

import sys

from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.store import CampaignIdentity, Store
from capmin.trial import Attempt, Launch, Trial, Verdict


def identity(label: str) -> CampaignIdentity:
    return CampaignIdentity(
        image_reference=label,
        image_digest=f"sha256:{label}",
        scenario_hash="0",
        engine="runc",
        engine_version="1.1.5",
        kernel="6.18",
        architecture="x86_64",
        denied_errno=38,
        ceiling=frozenset(CAPABILITIES),
        capmin_version="0.1.0",
    )


def trial(number: int, label: str) -> Trial:
    grant = Grant(
        capabilities=frozenset(CAPABILITIES[: number % 41]),
        syscalls=frozenset({Syscall(f"call_{number % 50}_{label}"), Syscall("read")}),
    )
    attempt = Attempt(
        privilege=Syscall("bind"), syscall=None, program="x", errno=1, count=1, first_s=0.1, last_s=0.2
    )
    launch = Launch(
        scenario="test", grant=grant, exit_code=1, duration_s=0.5, output="y" * 2000, attempts=(attempt,)
    )
    return Trial(
        number=number,
        phase="syscalls",
        grant=grant,
        launches=(launch, launch),
        verdict=Verdict.BREAKS,
        reason="exit code 1",
    )


def main(path: str, label: str, count: str = "1000000") -> None:
    with Store(path) as store:
        campaign = store.campaign(identity(label), resume=True)
        first = 1 + max((each.number for each in campaign.trials()), default=0)
        for number in range(first, first + int(count)):
            made = trial(number, label)
            campaign.begin(number, phase=made.phase, grant=made.grant)
            campaign.record_launch(number, made.launches[0])
            print(f"launch {number}", flush=True)
            campaign.record_trial(made)
            print(f"trial {number}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
