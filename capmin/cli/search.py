"""``capmin search``: parse, wire, report."""

import errno
import re
from pathlib import Path

import click

from capmin.baseline import RUNS, STEADY_RUNS
from capmin.campaign import Plan, Proofs
from capmin.cli.options import accept_degraded_option, format_option, time_limit_option
from capmin.cli.progress import ProgressBar
from capmin.cli.session import Session
from capmin.cli.subject import subject, subject_options
from capmin.cli.summary import summary
from capmin.cli.terminal import is_quiet, printable
from capmin.engines.registry import ENGINES
from capmin.errors import BudgetSpent, Unconfirmed, UsageError
from capmin.minimise import ALGORITHMS
from capmin.output import OutputDirectory
from capmin.privileges import Capability
from capmin.privileges.capability import CAPABILITIES, parse_capabilities
from capmin.recall import read_result
from capmin.result import Result


def _parse_ceiling(
    context: click.Context, option: click.Parameter, text: str
) -> frozenset[Capability] | None:
    """None is Docker's default."""
    del context, option
    if text == "default":
        return None
    if not text.strip():
        raise UsageError("--ceiling is empty: say default, all, or the names of capabilities")
    return frozenset(CAPABILITIES) if text == "all" else parse_capabilities(text)


@click.command("search")
@click.argument("image", required=False)
@subject_options
@click.option(
    "--engine",
    type=click.Choice(["auto", *ENGINES]),
    default="auto",
    help="What launches the trials.",
    show_default=True,
)
@click.option(
    "--capabilities/--no-capabilities", default=True, help="Search capabilities.", show_default=True
)
@click.option("--syscalls/--no-syscalls", default=True, help="Search system calls.", show_default=True)
@click.option(
    "--ceiling",
    default="default",
    callback=_parse_ceiling,
    metavar="default|all|CAP,...",
    help="The most that may be granted: Docker's default, all that the host has, or these.",
    show_default=True,
)
@click.option(
    "--errno",
    "denied",
    type=click.Choice(["ENOSYS", "EPERM"]),
    default="ENOSYS",
    help="What denied system calls get.",
    show_default=True,
)
@click.option(
    "--proofs",
    type=click.Choice([kind.value for kind in Proofs]),
    default=Proofs.EXACT.value,
    help="What proves a system call: exact, a launch without just that one; presumed, also one that lacked "
    "more and died of it, which takes fewer trials.",
    show_default=True,
)
@click.option(
    "--alternatives",
    type=click.IntRange(min=0),
    default=20,
    metavar="N",
    help="Trials that looking for other, less risky sets of capabilities may take.",
    show_default=True,
)
@click.option("--algorithm", type=click.Choice(["auto", *ALGORITHMS]), default="auto", show_default=True)
@accept_degraded_option
@click.option("--confidence", type=click.FloatRange(0.5, 0.999999), default=0.95, show_default=True)
@click.option(
    "--baseline",
    type=click.IntRange(min=2),
    default=RUNS,
    help="Runs with everything granted. "
    f"{STEADY_RUNS} that pass tell with 95 % confidence that fewer than one in 20 fails by chance.",
    show_default=True,
)
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    default=10,
    help="Launches of the answer as written.",
    show_default=True,
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, help="Trials side by side.", show_default=True
)
@time_limit_option
@click.option("--budget", type=click.IntRange(min=1), help="Trials that the search may make.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted search in the same output directory.")
@click.option(
    "--from",
    "earlier",
    type=click.Path(path_type=Path, exists=True),
    help="Start from this result, say of an older version.  [default: the last in the output directory]",
)
@click.option("--fresh", is_flag=True, help="Start from nothing, whatever earlier searches have found.")
@click.option("--seed", type=int, default=0, help="For whatever is drawn at random.", show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the answer goes.  [default: results/IMAGE]",
)
@format_option
def command(
    *,
    image: str | None,
    test: str | None,
    service: bool,
    test_image: str | None,
    workload: Path | None,
    engine: str,
    capabilities: bool,
    syscalls: bool,
    ceiling: frozenset[Capability] | None,
    denied: str,
    proofs: str,
    alternatives: int,
    algorithm: str,
    accept_degraded: bool,
    confidence: float,
    baseline: int,
    confirm: int,
    workers: int,
    time_limit_s: float,
    budget: int | None,
    resume: bool,
    earlier: Path | None,
    fresh: bool,
    seed: int,
    output: Path | None,
    form: str,
) -> None:
    """Find the smallest set of privileges with which an image's tests pass.

    IMAGE is launched again and again with fewer capabilities and system calls, and its TEST tells whether it
    still works. What is left is proven, confirmed with the files as they are written, and explained.

    \b
    Examples:
      capmin search debian:12 --test 'chown nobody /tmp'
      capmin search nginx:1 --service --test 'curl -fsS http://127.0.0.1/'
      capmin search --workload workloads/nginx --engine runc
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    image, scenarios = subject(image, test=test, workload=workload, service=service, test_image=test_image)
    plan = Plan(
        image=image,
        scenarios=scenarios,
        capabilities=capabilities,
        syscalls=syscalls,
        ceiling=ceiling,
        denied_errno=getattr(errno, denied),
        proofs=Proofs(proofs),
        alternatives=alternatives,
        algorithm=algorithm,
        accept_degraded=accept_degraded,
        confidence=confidence,
        baseline=baseline,
        confirm=confirm,
        workers=workers,
        time_limit_s=time_limit_s,
        budget=budget,
        seed=seed,
    )
    directory = OutputDirectory(output or Path("results") / _slug(image))
    with ProgressBar(quiet=is_quiet()) as progress:
        session = Session(
            plan=plan,
            directory=directory,
            engine_name=engine,
            resume=resume,
            fresh=fresh,
            before=None if earlier is None else read_result(earlier),
            watcher=progress,
        )
        try:
            result = session.run()
        except BudgetSpent:
            if form == "json" and directory.has_result:
                click.echo(directory.read_result(), nl=False)
            raise
    if form == "json":
        click.echo(result.dumps(), nl=False)
    else:
        click.echo(printable(summary(result, directory.path)))
    _complain_of_doubt(result)


def _slug(image: str) -> str:
    """A directory name for an image: ``nginx:1`` gives ``nginx_1``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", image).strip("._") or "image"


def _complain_of_doubt(result: Result) -> None:
    """End with exit code 5 where the answer is not what it should be."""
    undecided = sorted(result.kept - {entry.privilege for entry in result.certificate})
    if undecided:
        raise Unconfirmed(
            f"{len(undecided)} of {len(result.kept)} privileges are kept without proof "
            f"({' '.join(undecided)}): the tests fail too often by themselves; make them steadier"
        )
    confirmation = result.confirmation
    if not confirmation.fits(max(scenario.flake_rate for scenario in result.scenarios)):
        raise Unconfirmed(
            f"only {confirmation.passed} of {confirmation.runs} launches with the written files passed on "
            f"{result.confirm_engine}; do not deploy this profile"
        )
