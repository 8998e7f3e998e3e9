"""``capmin diff``: what a new version needs more or less, the same words each time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capmin.cli import main

RESULT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "integration" / "data" / "nginx" / "result.json").read_text()
)
Write = Callable[[str, dict[str, Any]], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(name: str, document: dict[str, Any]) -> str:
        Path(name).mkdir()
        (Path(name) / "result.json").write_text(json.dumps(document))
        return name

    return write


def newer() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(RESULT))
    document["image"]["digest"] = "sha256:0000"
    document["host"]["kernel"] = "7.0"
    document["capabilities"]["required"].remove("CAP_CHOWN")
    document["capabilities"]["required"].append("CAP_FOWNER")
    document["certificate"].append(
        {"privilege": "CAP_FOWNER", "trial": 9, "denied": "fchmodat", "evidence": "chmod(/x): not permitted"}
    )
    required = document["syscalls"]["required"]
    for name in ("sendfile", "uname"):
        required.remove(name)
    document["syscalls"]["observed"].remove("uname")
    required += ["access", "pwritev2"]
    return document


TEXT = f"""\
old -> new
  digest        {RESULT["image"]["digest"]} -> sha256:0000
  kernel        {RESULT["host"]["kernel"]} -> 7.0
  capabilities  1 more, 1 fewer, 4 the same
    + CAP_FOWNER           in fchmodat; chmod(/x): not permitted
    - CAP_CHOWN            in chown
  system calls  2 more, 2 fewer, 21 the same
    + access               used before, needed now
    + pwritev2             not used before
    - sendfile             still used, but not needed
    - uname                no longer used
"""


def test_text(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", write("old", RESULT), write("new", newer())]) == 0
    assert capsys.readouterr().out == TEXT


def test_json(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    main(["diff", write("old", RESULT), write("new", newer()), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert not found["same"]
    assert found["conditions"]["kernel"] == {"old": RESULT["host"]["kernel"], "new": "7.0"}
    assert found["capabilities"]["added"] == [
        {
            "privilege": "CAP_FOWNER",
            "used_by_other": None,
            "denied": "fchmodat",
            "evidence": "chmod(/x): not permitted",
        }
    ]
    assert [change["privilege"] for change in found["syscalls"]["removed"]] == ["sendfile", "uname"]


def test_the_exit_code_is_0_unless_asked_for(write: Write) -> None:
    old, new = write("old", RESULT), write("new", newer())
    assert main(["diff", old, new]) == 0
    assert main(["diff", old, new, "--exit-code"]) == 1
    assert main(["diff", old, f"{old}/result.json", "--exit-code"]) == 0


def test_the_same(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    main(["diff", write("old", RESULT), "old"])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  capabilities  the same 5",
        "  system calls  the same 23",
    ]


def test_what_was_not_searched_is_not_compared(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = write("old", RESULT), write("new", {**newer(), "syscalls": None})
    assert main(["diff", old, new]) == 0
    assert "  system calls  not searched in both" in capsys.readouterr().out
    assert main(["diff", new, write("other", {**RESULT, "capabilities": None})]) == 2
    assert "nothing in common" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "capmin/result/1"}'])
def test_no_result(write: Write, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.json").write_text(text)
    assert main(["diff", write("old", RESULT), "broken.json"]) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 2
    assert main(["diff", "nowhere", "old"]) == 2
