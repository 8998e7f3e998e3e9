"""The corpus made of Loupe's results; the lines are like those of its database."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.loupe import main
from tests.benchmarks.programs import read_corpus

HEADER = "# syscall, used, works faked, works stubbed, works both\n"


def run_of(database: Path, workload: str, lines: str) -> None:
    data = database / workload / "data"
    data.mkdir(parents=True)
    (data / "dyn.csv").write_text(lines)


def test_what_was_used_and_did_not_pass_stubbed_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = HEADER + "0,Y,N,N,N\n1,N,N,N,N\n2,Y,Y,N,N\n3,Y,N,Y,N\n12,Y,N,N,Y\n181,Y,Y,Y,Y\n"
    run_of(tmp_path, "nginx/suite/1a2b", calls)
    run_of(tmp_path, "envoy/benchmark-envoy/imported", calls.removeprefix(HEADER))
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"workloads": [{"workload": "x", "app": "nginx", "used": [], "needed": []}]}))
    assert main([str(tmp_path), "--without", str(known)]) == 0
    rest = tmp_path / "rest.json"
    rest.write_text(capsys.readouterr().out)
    (envoy,) = read_corpus(rest)
    assert (envoy.name, envoy.app) == ("envoy/benchmark-envoy/imported", "envoy")
    assert envoy.used == ("brk", "close", "open", "read")
    assert envoy.needed == {"open", "read"}
