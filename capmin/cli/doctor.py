"""``capmin doctor``: what this host can do, and what to do about the rest."""

import json
import platform
from itertools import groupby
from typing import Any

import click

from capmin.cli.host_checks import Check, Diagnosis, examine
from capmin.cli.options import format_option
from capmin.cli.terminal import printable
from capmin.engines.host import control_groups
from capmin.errors import EngineError
from capmin.privileges.capability import CAPABILITIES
from capmin.privileges.syscall import host_architecture

_TITLES = {"host": "Host", "engine": "Engines", "observer": "Observers", "program": "Programs"}


@click.command("doctor")
@format_option
def command(*, form: str) -> int:
    """Tell what this host can do, and what to do about the rest.

    Everything is tried, not guessed: an overlay is mounted, a container launched, a capability check traced.
    Nothing of it is left. The exit code is 0 where an engine can search here, else 4.
    """
    diagnosis = examine()
    click.echo(_json(diagnosis) if form == "json" else printable(_text(diagnosis)))
    return 0 if diagnosis.searching else EngineError.exit_code


def _text(diagnosis: Diagnosis) -> str:
    lines = []
    for group, checks in groupby(diagnosis.checks, key=lambda check: check.group):
        lines.append(_TITLES[group])
        for check in checks:
            lines += _lines(check)
    if diagnosis.searching:
        lines.append(f"capmin can search here with: {', '.join(diagnosis.searching)}")
    else:
        lines.append("No engine can search here: see what is said under Engines.")
    return "\n".join(lines)


def _lines(check: Check) -> list[str]:
    lines = [f"  {check.state:<8} {check.name:<17} {check.detail}"]
    if check.remedy is not None:
        lines.append(f"{'':29}{check.remedy}")
    return lines


def _json(diagnosis: Diagnosis) -> str:
    document: dict[str, Any] = {
        "schema": "capmin/doctor/1",
        "host": {
            "kernel": platform.release(),
            "architecture": host_architecture(),
            "control_groups": control_groups(),
            "ceiling": sorted(diagnosis.ceiling),
            "missing_capabilities": sorted(set(CAPABILITIES) - diagnosis.ceiling),
        },
        "engines": {
            found.engine: {
                "can_search": found.problem is None,
                "version": found.version,
                "observes_syscalls": found.observes_syscalls,
                "ceiling": sorted(found.ceiling),
                "problem": found.problem,
            }
            for found in diagnosis.engines
        },
        "checks": [
            {
                "group": check.group,
                "name": check.name,
                "state": check.state,
                "detail": check.detail,
                "remedy": check.remedy,
            }
            for check in diagnosis.checks
        ],
    }
    return json.dumps(document, indent=2)
