"""``capmin verify``: does a profile still hold?"""

import errno
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from capmin.cli.options import accept_degraded_option, format_option, time_limit_option
from capmin.cli.progress import ProgressBar
from capmin.cli.subject import subject, subject_options
from capmin.cli.terminal import printable
from capmin.engines import EngineOptions
from capmin.engines.places import cache_dir, state_dir
from capmin.engines.registry import ENGINES, open_engine
from capmin.privileges import Capability
from capmin.privileges.capability import parse_capabilities
from capmin.profile import Strictness
from capmin.profile_files import Reading, read_profile
from capmin.trial import Trial
from capmin.verification import Lack, Verification, Wish, verify

DOES_NOT_HOLD = 1
"""The exit code for findings, design.md section 7."""


def _parse_capabilities(
    context: click.Context, option: click.Parameter, text: str | None
) -> frozenset[Capability] | None:
    del context, option
    if text is None:
        return None
    return frozenset() if text.lower() == "none" else parse_capabilities(text)


@click.command("verify")
@click.argument("profile")
@click.argument("image", required=False)
@subject_options
@click.option(
    "-n",
    "--runs",
    type=click.IntRange(min=1),
    default=10,
    help="Launches with the profile as it is.",
    show_default=True,
)
@click.option(
    "--capabilities",
    callback=_parse_capabilities,
    metavar="none|CAP,...",
    help="What goes with a profile that says no capabilities.  [default: Docker's]",
)
@click.option(
    "--strictness",
    type=click.Choice(list(Strictness)),
    default=Strictness.MINIMAL,
    help="Which profile of a result.",
    show_default=True,
)
@click.option(
    "--engine",
    type=click.Choice(["auto", *ENGINES]),
    default="auto",
    help="What launches it.",
    show_default=True,
)
@accept_degraded_option
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, help="Launches side by side.", show_default=True
)
@time_limit_option
@format_option
def command(
    *,
    profile: str,
    image: str | None,
    test: str | None,
    service: bool,
    test_image: str | None,
    workload: Path | None,
    runs: int,
    capabilities: frozenset[Capability] | None,
    strictness: str,
    engine: str,
    accept_degraded: bool,
    workers: int,
    time_limit_s: float,
    form: str,
) -> int:
    """Tell whether a profile still holds for an image, and what it lacks if not.

    PROFILE is a result of capmin (its directory, or result.json), a seccomp profile for Docker, an OCI
    config.json, a SeccompProfile of security-profiles-operator, or docker-default. IMAGE may be another than
    it was made for: a new tag. The exit code is 0 where it holds, else 1.

    \b
    Examples:
      capmin verify results/nginx nginx:1.29 --service --test 'curl -fsS http://127.0.0.1/'
      capmin verify seccomp.json debian:12 --test 'chown nobody /tmp' --capabilities CHOWN
      capmin verify docker-default --workload workloads/nginx
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    image, scenarios = subject(image, test=test, workload=workload, service=service, test_image=test_image)
    options = EngineOptions(campaign=uuid.uuid4().hex[:12], state_dir=state_dir(), cache_dir=cache_dir())
    with ExitStack() as stack:
        progress = stack.enter_context(ProgressBar())
        # The engine is left first: it kills what runs, so that no thread of the executor waits for it.
        executor = stack.enter_context(ThreadPoolExecutor(workers))
        opened = stack.enter_context(open_engine(engine, options))
        reading = Reading(
            architecture=opened.architecture, capabilities=capabilities, strictness=Strictness(strictness)
        )
        wish = Wish(
            image=image,
            scenarios=scenarios,
            given=read_profile(profile, reading),
            runs=runs,
            workers=workers,
            time_limit_s=time_limit_s,
            accept_degraded=accept_degraded,
        )

        def watch(phase: str, trial: Trial | None) -> None:
            progress.phase(phase) if trial is None else progress.trial(trial)

        found = verify(wish, opened, executor, watch)
    click.echo(_json(found) if form == "json" else printable(_text(found)))
    return 0 if found.holds else DOES_NOT_HOLD


def _text(found: Verification) -> str:
    return "\n".join(
        [
            f"{found.given.source} ({found.given.kind}: {_size(found)})",
            f"  image         {found.image.reference} ({found.image.digest[:19]}), on {found.engine}",
            f"  {_answer(found)}",
            *([f"  it said       {found.evidence}"] if found.evidence and not found.holds else []),
            *_lacks(found),
        ]
    )


def _size(found: Verification) -> str:
    calls = found.grant.syscalls
    named = "the runtime's own filter" if calls is None else f"{len(calls)} system calls and the runtime's"
    count = len(found.grant.capabilities)
    return f"{count} {'capability' if count == 1 else 'capabilities'}, {named}"


def _answer(found: Verification) -> str:
    runs, passed = found.launches.runs, found.launches.passed
    if found.degraded:
        return (
            f"degraded      {passed} of {runs} launches pass, but {found.reason.removeprefix('degraded: ')}"
        )
    if not found.holds:
        return f"does not hold {runs - passed} of {runs} launches fail: {found.reason}"
    flaky = f"; the test fails by itself in {found.flake_rate:.0%}" if found.flake_rate else ""
    return f"holds         {passed} of {runs} launches pass{flaky}"


def _lacks(found: Verification) -> list[str]:
    if found.holds:
        return []
    if not found.lacks:
        return ["  lacks         not found: everything that the image usually gets does not help in addition"]
    width = max(len(lack.privilege) for lack in found.lacks)
    several = len(found.lacks) > 1 or not found.evidence
    lines = []
    for title, lack in zip(["lacks", *[""] * len(found.lacks)], found.lacks, strict=False):
        lines.append(f"  {title:<13} {lack.privilege:<{width}}  {_seen(lack)}")
        if lack.evidence and several:
            lines.append(f"{'':{18 + width}}{lack.evidence}")
    return lines


def _seen(lack: Lack) -> str:
    attempt = lack.attempt
    if attempt is None:
        return "without it launches fail; who asks for it does not show"
    where = f" in {attempt.syscall}" if attempt.syscall not in (None, lack.privilege) else ""
    times = "once" if attempt.count == 1 else f"{attempt.count} times"
    return f"{attempt.program}{where} was denied it {times} ({_errno_name(attempt.errno)})"


def _errno_name(code: int | None) -> str | None:
    return None if code is None else errno.errorcode.get(code, str(code))


def _json(found: Verification) -> str:
    calls = found.grant.syscalls
    launches = found.launches
    document: dict[str, Any] = {
        "schema": "capmin/verification/1",
        "holds": found.holds,
        "degraded": found.degraded,
        "image": {"reference": found.image.reference, "digest": found.image.digest},
        "engine": found.engine,
        "profile": {
            "source": found.given.source,
            "kind": found.given.kind,
            "capabilities": sorted(found.grant.capabilities),
            "syscalls": None if calls is None else sorted(calls),
        },
        "launches": {
            "passed": launches.passed,
            "runs": launches.runs,
            "confidence": launches.confidence,
            "max_failure_rate": round(launches.max_failure_rate, 4),
        },
        "flake_rate": round(found.flake_rate, 4),
        "reason": found.reason,
        "evidence": found.evidence,
        "lacks": [_lack_json(lack) for lack in found.lacks],
        "harmless_denials": sorted(found.harmless),
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _lack_json(lack: Lack) -> dict[str, Any]:
    attempt = lack.attempt
    return {
        "privilege": lack.privilege,
        "program": None if attempt is None else attempt.program,
        "syscall": None if attempt is None else attempt.syscall,
        "errno": None if attempt is None else _errno_name(attempt.errno),
        "count": None if attempt is None else attempt.count,
        "evidence": lack.evidence,
    }
