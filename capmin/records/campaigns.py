"""Campaigns side by side: one row each, made of their result documents."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from capmin.frames.columns import CATEGORY, INTEGER, REAL, TEXT, Column, Table, typed

CAMPAIGNS: Table = {
    "campaign": Column(dtype=CATEGORY, about="which campaign, as in the other frames"),
    "image": Column(dtype=TEXT, about="the image's reference"),
    "scenarios": Column(dtype=TEXT, about="the names of what was tested, separated by semicolons"),
    "engine": Column(dtype=CATEGORY, about="what launched the trials, with its version"),
    "confirmed_by": Column(dtype=CATEGORY, about="what launched the answer as written; NA: nothing did"),
    "kernel": Column(dtype=CATEGORY, about="its release"),
    "architecture": Column(dtype=CATEGORY, about="as uname -m has it"),
    "capabilities": Column(dtype=TEXT, about="set: needed; NA: not searched"),
    "syscalls": Column(dtype=TEXT, about="set: needed above the floor; NA: not searched"),
    "observed": Column(dtype=TEXT, about="set: system calls that passing runs used; NA: not searched"),
    "floor": Column(dtype=TEXT, about="set: system calls always granted, for the runtime; NA: not searched"),
    "capability_count": Column(dtype=INTEGER, about="capabilities needed"),
    "syscall_count": Column(dtype=INTEGER, about="system calls needed above the floor"),
    "observed_count": Column(dtype=INTEGER, about="system calls that passing runs used"),
    "trial_count": Column(dtype=INTEGER, about="trials made"),
    "lower_bound": Column(dtype=INTEGER, about="trials that any search needs for this answer: k + 1"),
    "launch_count": Column(dtype=INTEGER, about="launches made"),
    "baseline_s": Column(dtype=REAL, about="seconds that the scenarios take with everything granted"),
    "wall_s": Column(dtype=REAL, about="seconds that the campaign took"),
    "confirmed_count": Column(dtype=INTEGER, about="confirming launches that worked"),
    "confirming_count": Column(dtype=INTEGER, about="confirming launches"),
}


def campaigns_frame(results: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row a result document, by the name of its campaign (`CAMPAIGNS`)."""
    rows = [_row(name, result) for name, result in results.items()]
    return typed(pd.DataFrame(rows, columns=list(CAMPAIGNS)), CAMPAIGNS)


def _row(name: str, result: Mapping[str, Any]) -> dict[str, object]:
    capabilities, syscalls = result["capabilities"] or {}, result["syscalls"] or {}
    return {
        "campaign": name,
        "image": result["image"]["reference"],
        "scenarios": "; ".join(scenario["name"] for scenario in result["scenarios"]),
        "engine": result["engine"]["search"],
        "confirmed_by": result["engine"]["confirm"],
        "kernel": result["host"]["kernel"],
        "architecture": result["host"]["architecture"],
        "capabilities": _set(capabilities.get("required")),
        "capability_count": _size(capabilities.get("required")),
        "syscalls": _set(syscalls.get("required")),
        "syscall_count": _size(syscalls.get("required")),
        "observed": _set(syscalls.get("observed")),
        "observed_count": _size(syscalls.get("observed")),
        "floor": _set(syscalls.get("floor")),
        "trial_count": result["trials"]["total"],
        "lower_bound": result["trials"]["lower_bound"],
        "launch_count": result["trials"]["launches"],
        "baseline_s": sum(scenario["baseline_s"] for scenario in result["scenarios"]),
        "wall_s": result["wall_s"],
        "confirmed_count": result["confirmation"]["passed"],
        "confirming_count": result["confirmation"]["runs"],
    }


def _set(names: Iterable[str] | None) -> str | None:
    return None if names is None else " ".join(sorted(names))


def _size(names: Iterable[str] | None) -> int | None:
    return None if names is None else len(set(names))
