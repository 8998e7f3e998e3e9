"""The emitted files are, to the letter, those under tests/golden (its README tells how to refresh them)."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from capmin.emit import EMITTERS, emit, file_name
from capmin.profile import Profile, Strictness

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = [path.parent.name for path in sorted(GOLDEN.glob("*/result.json"))]


def golden_profile(case: str) -> Profile:
    document = json.loads((GOLDEN / case / "result.json").read_text(encoding="utf-8"))
    return replace(Profile.from_result(document), capmin_version="0.1.0")


@pytest.mark.parametrize("strictness", Strictness)
@pytest.mark.parametrize("file_format", sorted(EMITTERS))
@pytest.mark.parametrize("case", CASES)
def test_emitted_files_are_the_golden_ones(case: str, file_format: str, strictness: Strictness) -> None:
    path = GOLDEN / case / file_name(file_format, strictness)
    text = emit(golden_profile(case).at(strictness), file_format)
    if os.environ.get("CAPMIN_REFRESH_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_there_are_two_cases() -> None:
    assert CASES == ["nginx", "ping"]
