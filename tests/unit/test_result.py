"""``result.json`` is the contract of design.md, section 7: its keys, its spelling, its order."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.mounting import MountKind, ServiceMount, mounts_of
from capmin.privileges import Capability, Syscall
from capmin.result import (
    CapabilityAnswer,
    CertificateEntry,
    Confirmation,
    Result,
    ScenarioSummary,
    SyscallAnswer,
    TrialCount,
    schema,
    timestamp,
)
from capmin.scenario import PublishedFile, Scenario, Setting

CHOWN, KILL = Capability("CAP_CHOWN"), Capability("CAP_KILL")
ACCEPT, ACCESS, FUTEX = Syscall("accept4"), Syscall("access"), Syscall("futex")
FCHOWNAT = Syscall("fchownat")

DIGEST = "sha256:" + "0" * 64

RESULT = Result(
    image_reference="nginx:1",
    image_digest=DIGEST,
    search_engine="runc 1.1.5",
    confirm_engine="docker 20.10.24",
    kernel="6.18",
    architecture="x86_64",
    ceiling=frozenset({CHOWN}),
    scenarios=(ScenarioSummary(name="test", baseline_s=0.07, flake_rate=0.0),),
    capabilities=CapabilityAnswer(required=frozenset({CHOWN}), alternatives=(frozenset({CHOWN}),)),
    syscalls=SyscallAnswer(
        required=frozenset({ACCEPT}),
        observed=frozenset({ACCESS, ACCEPT}),
        floor=frozenset({FUTEX}),
        denied_errno=38,
    ),
    certificate=(
        CertificateEntry(
            privilege=CHOWN,
            trial=7,
            denied=FCHOWNAT,
            evidence="chown(...) failed (1: Operation not permitted)",
        ),
    ),
    trials=TrialCount(total=61, lower_bound=52, launches=80, unresolved=0),
    confirmation=Confirmation(passed=10, runs=10),
    wall_s=6.1,
    files={"seccomp": "seccomp.json", "trials": "trials.parquet", "report": "report.html"},
)

MOUNTS = (
    ServiceMount(kind=MountKind.BIND, target="/etc/web.conf", source="/home/me/web.conf", read_only=True),
    ServiceMount(kind=MountKind.TMPFS, target="/run"),
    ServiceMount(kind=MountKind.VOLUME, target="/srv", source="images", read_only=True),
)

# Copied from design.md; only the digest, "sha256:..." there, differs.
CONTRACT = """
{"schema": "capmin/result/1",
 "image": {"reference": "nginx:1", "digest": "DIGEST"},
 "engine": {"search": "runc 1.1.5", "confirm": "docker 20.10.24"},
 "host": {"kernel": "6.18", "architecture": "x86_64", "ceiling": ["CAP_CHOWN"]},
 "scenarios": [{"name": "test", "baseline_s": 0.07, "flake_rate": 0.0}],
 "capabilities": {"required": ["CAP_CHOWN"], "alternatives": [["CAP_CHOWN"]], "degraded": []},
 "syscalls": {"required": ["accept4"], "observed": ["accept4", "access"], "floor": ["futex"], "degraded": [],
              "errno": "ENOSYS"},
 "certificate": [{"privilege": "CAP_CHOWN", "trial": 7, "denied": "fchownat",
                  "evidence": "chown(...) failed (1: Operation not permitted)"}],
 "trials": {"total": 61, "lower_bound": 52, "launches": 80, "unresolved": 0},
 "confirmation": {"passed": 10, "runs": 10, "confidence": 0.95, "max_failure_rate": 0.26},
 "wall_s": 6.1,
 "files": {"seccomp": "seccomp.json", "trials": "trials.parquet", "report": "report.html"}}
""".replace("DIGEST", DIGEST)


def test_the_document_is_the_contract_to_the_letter() -> None:
    document = RESULT.to_json()
    assert document == json.loads(CONTRACT)
    assert list(document) == list(json.loads(CONTRACT))


def test_time_waited_is_written_where_it_is_known() -> None:
    document = replace(RESULT, trials=replace(RESULT.trials, waited_s=1.23456)).to_json()
    assert document["trials"]["waited_s"] == 1.235


def test_mounts_are_written_where_there_are_any() -> None:
    document = json.loads(replace(RESULT, mounts=MOUNTS).dumps())
    assert tuple(map(ServiceMount.from_json, document["mounts"])) == MOUNTS
    assert document["mounts"][1] == {"type": "tmpfs", "target": "/run"}


def test_what_scenarios_mount_is_read_only_where_all_of_them_pass_with_it_so() -> None:
    readers = Setting(read_only_volumes=(("images", "/srv"), ("keys", "/keys")), tmpfs=("/run",))
    writers = Setting(volumes=(("pictures", "/srv"), ("cache", "/cache")))
    files = Setting(files=(PublishedFile(source="/home/me/web.conf", target="/etc/web.conf"),))
    found = mounts_of(Scenario(setting=setting) for setting in (readers, writers, files))
    assert [(each.target, each.kind.value, each.source, each.read_only) for each in found] == [
        ("/cache", "volume", "cache", False),
        ("/etc/web.conf", "bind", "/home/me/web.conf", True),
        ("/keys", "volume", "keys", True),
        ("/run", "tmpfs", "", False),
        ("/srv", "volume", "images", False),
    ]


def test_lists_are_sorted_capabilities_before_system_calls() -> None:
    entries = tuple(CertificateEntry(privilege=name, trial=1) for name in (ACCEPT, KILL, ACCESS, CHOWN))
    document = replace(RESULT, ceiling=frozenset({KILL, CHOWN}), certificate=entries).to_json()
    assert document["host"]["ceiling"] == [CHOWN, KILL]
    assert [entry["privilege"] for entry in document["certificate"]] == [CHOWN, KILL, ACCEPT, ACCESS]


@pytest.mark.parametrize(
    "result",
    [
        RESULT,
        replace(RESULT, capabilities=None, syscalls=None, confirm_engine=None),
        replace(RESULT, confirmation=Confirmation(passed=0, runs=0), certificate=(), scenarios=()),
        replace(RESULT, created=datetime(2026, 11, 21, tzinfo=UTC), user="1000:1000"),
        replace(RESULT, mounts=MOUNTS),
    ],
)
def test_documents_satisfy_their_schema(result: Result) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(result.dumps()), schema())


@pytest.mark.parametrize("key", sorted(RESULT.to_json()))
def test_the_schema_wants_every_key(key: str) -> None:
    document = RESULT.to_json()
    del document[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(document, schema())


@pytest.mark.parametrize(
    ("place", "name"), [("capabilities", "CHOWN"), ("capabilities", "cap_chown"), ("syscalls", "__NR-read")]
)
def test_the_schema_wants_kernel_spelling(place: str, name: str) -> None:
    document = RESULT.to_json()
    document[place]["required"] = [name]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


@given(runs=st.integers(1, 400))
def test_the_bound_where_all_passed_is_the_closed_formula(runs: int) -> None:
    rate = Confirmation(passed=runs, runs=runs).max_failure_rate
    assert rate == pytest.approx(1 - 0.05 ** (1 / runs), abs=1e-8)


@given(runs=st.integers(1, 60), data=st.data())
def test_the_bound_is_above_the_share_that_failed(runs: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, runs))
    rate = Confirmation(passed=passed, runs=runs).max_failure_rate
    assert (runs - passed) / runs <= rate <= 1


def test_the_bound_with_failures_is_that_of_the_tables() -> None:
    # qbeta(0.95, 2, 9) of R: one failure in ten runs.
    assert Confirmation(passed=9, runs=10).max_failure_rate == pytest.approx(0.394163, abs=1e-6)


@given(runs=st.integers(0, 2000))
def test_what_is_written_never_promises_more(runs: int) -> None:
    confirmation = Confirmation(passed=runs, runs=runs)
    written = replace(RESULT, confirmation=confirmation).to_json()["confirmation"]["max_failure_rate"]
    assert confirmation.max_failure_rate <= written * (1 + 1e-4)
    assert math.isclose(written, confirmation.max_failure_rate, rel_tol=0.1)


def test_times_are_utc_to_the_second() -> None:
    moment = datetime.fromisoformat("2026-11-21T20:30:00.9+01:00")
    assert timestamp(moment) == "2026-11-21T19:30:00Z"
