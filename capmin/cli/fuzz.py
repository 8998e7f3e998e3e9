"""``capmin fuzz``: draw grants around an answer, and tell the smallest that disagree."""

import platform
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from capmin import __version__
from capmin.cli.fuzz_report import Fuzzed, hunt_json, hunt_text, replay_json, replay_text
from capmin.cli.options import accept_degraded_option, format_option, time_limit_option
from capmin.cli.progress import ProgressBar
from capmin.cli.subject import subject, subject_options
from capmin.cli.terminal import is_quiet, printable
from capmin.engines import Engine, EngineOptions
from capmin.engines.places import cache_dir, state_dir
from capmin.engines.registry import ENGINES, open_engine
from capmin.errors import UsageError
from capmin.fuzzing import (
    Budget,
    Counterexample,
    Question,
    Reach,
    Tries,
    find_origin,
    hunt,
    read_counterexample,
    replay,
    write_counterexample,
)
from capmin.fuzzing.hunt import CONFIRM
from capmin.privileges import Capability
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT, parse_capabilities
from capmin.recall import Document, read_result
from capmin.scenario import Scenario
from capmin.store import CampaignIdentity, Status, Store, scenario_hash
from capmin.trial import Trial

FOUND = 1
"""The exit code for findings, design.md section 7."""

LAUNCHES = 300
"""Without a budget. On runc that is half a minute for a program that takes no time."""

DIRECTORY, STORE = "fuzz", "launches.sqlite"
"""Below the result. Not named as the store of a search is: folders of searches are read by that name."""


def _parse_ceiling(
    context: click.Context, option: click.Parameter, text: str | None
) -> frozenset[Capability] | None:
    del context, option
    if text is None:
        return None
    if text == "default":
        return DOCKER_DEFAULT
    return frozenset(CAPABILITIES) if text == "all" else parse_capabilities(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subject:
    """What is fuzzed, from the result, the store beside it, and the command line."""

    document: Document
    image: str
    scenarios: tuple[Scenario, ...]
    ceiling: frozenset[Capability]


@click.command("fuzz")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--image", help="Another image than that of the result: a new tag.")
@subject_options
@click.option(
    "--launches",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Launches to spend on draws.  [default: {LAUNCHES}]",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), metavar="S", help="Seconds to spend, instead or in addition."
)
@click.option(
    "--reach",
    type=click.Choice([each.value for each in Reach]),
    default=Reach.DEFAULT.value,
    help="System calls that wider grants may have: those once observed, or all of Docker's default filter.",
    show_default=True,
)
@click.option(
    "--ceiling",
    callback=_parse_ceiling,
    metavar="default|all|CAP,...",
    help="Capabilities that wider grants may have.  [default: as in the search]",
)
@click.option(
    "--confirm",
    type=click.IntRange(min=1),
    default=CONFIRM,
    help="Launches that a counterexample has to stand.",
    show_default=True,
)
@click.option(
    "--replay",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Only launch this counterexample again.",
)
@click.option(
    "--engine", type=click.Choice(["auto", *ENGINES]), help="What launches.  [default: as in the search]"
)
@accept_degraded_option
@time_limit_option
@click.option("--seed", type=int, default=0, help="For the draws.", show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Where launches and counterexamples go.  [default: {DIRECTORY}, beside the result]",
)
@format_option
def command(
    *,
    result: Path,
    image: str | None,
    test: str | None,
    service: bool,
    test_image: str | None,
    workload: Path | None,
    launches: int | None,
    seconds: float | None,
    reach: str,
    ceiling: frozenset[Capability] | None,
    confirm: int,
    file: Path | None,
    engine: str | None,
    accept_degraded: bool,
    time_limit_s: float,
    seed: int,
    output: Path | None,
    form: str,
) -> int:
    """Draw grants around an answer, and tell the smallest ones that disagree with it.

    RESULT is the output directory of a search. With more than the answer its tests have to pass, with a part
    of it they have to fail: both are certain only if more never harms. What does not hold is shrunk to the
    smallest counterexample: a trap, which is a privilege that breaks the program unless another one is there,
    or a part of the answer that is enough. It is launched again to confirm it, and written to a file that
    can be replayed. The exit code is 1 where one was found, else 0.

    \b
    Examples:
      capmin fuzz results/nginx
      capmin fuzz results/nginx --seconds 60 --seed 7
      capmin fuzz results/nginx --replay results/nginx/fuzz/trap-0a1b2c3d.json
    """  # noqa: D301 - \b is click's mark for a paragraph that stays as it is
    known = None if file is None else read_counterexample(file)
    about = _subject(result, image, test, workload, ceiling, service=service, test_image=test_image)
    directory = output or (result if result.is_dir() else result.parent) / DIRECTORY
    budget = Budget(launches=launches if launches or seconds else LAUNCHES, seconds=seconds)
    options = EngineOptions(campaign=uuid.uuid4().hex[:12], state_dir=state_dir(), cache_dir=cache_dir())
    with ExitStack() as stack:
        progress = stack.enter_context(ProgressBar(quiet=is_quiet()))
        # The engine is left first: it kills what runs, so that no thread of the executor waits for it.
        executor = stack.enter_context(ThreadPoolExecutor(1))
        opened = stack.enter_context(open_engine(engine or _engine_of(about.document), options))
        question = Question.about(
            about.document,
            opened,
            image=about.image,
            scenarios=about.scenarios,
            ceiling=about.ceiling,
            reach=Reach(reach),
        )
        store = stack.enter_context(_store(directory))
        record = store.campaign(_identity(question, opened, about.ceiling), scenarios=about.scenarios)
        stack.callback(record.finish, Status.DONE)

        def watch(phase: str, trial: Trial | None) -> None:
            progress.phase(phase) if trial is None else progress.trial(trial)

        tries = Tries(
            question=question,
            engine=opened,
            executor=executor,
            recorder=record,
            budget=budget,
            watch=watch,
            time_limit_s=time_limit_s,
            accept_degraded=accept_degraded,
        )
        tries.begin()
        fuzzed = Fuzzed(result=result, directory=directory, tries=tries, seed=seed)
        if known is not None:
            replayed = replay(tries, known, runs=confirm)
            click.echo(
                replay_json(fuzzed, replayed) if form == "json" else printable(replay_text(fuzzed, replayed))
            )
            return FOUND if replayed.stands else 0

        def keep(found: Counterexample) -> None:
            write_counterexample(found, directory, fuzzed.about)

        hunted = hunt(tries, seed=seed, confirm=confirm, on_found=keep)
    click.echo(hunt_json(fuzzed, hunted) if form == "json" else printable(hunt_text(fuzzed, hunted)))
    return FOUND if hunted.counterexamples or hunted.holds is False else 0


def _subject(
    result: Path,
    image: str | None,
    test: str | None,
    workload: Path | None,
    ceiling: frozenset[Capability] | None,
    *,
    service: bool,
    test_image: str | None,
) -> _Subject:
    """What is said on the command line, and for the rest what the search was about."""
    document = read_result(result)
    origin = find_origin(document, result)
    name = image or str(document["image"]["reference"])
    if test is not None or workload is not None:
        # Of a workload the image is built, unless another one is named.
        asked = image if workload is not None else name
        name, scenarios = subject(asked, test=test, workload=workload, service=service, test_image=test_image)
    elif origin is not None:
        scenarios = origin.scenarios
    else:
        raise UsageError(
            f"{result} does not say what was tested, and there is no store of its search beside it: "
            "say --workload DIR, or --test COMMAND"
        )
    if ceiling is None:
        ceiling = DOCKER_DEFAULT if origin is None else origin.ceiling
    return _Subject(document=document, image=name, scenarios=scenarios, ceiling=ceiling)


def _engine_of(document: Document) -> str:
    name = str(document["engine"]["search"]).partition(" ")[0]
    return name if name in ENGINES else "auto"


def _store(directory: Path) -> Store:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write to {directory}: {error.strerror}; choose another directory with --output"
        ) from error
    return Store(directory / STORE)


def _identity(question: Question, engine: Engine, ceiling: frozenset[Capability]) -> CampaignIdentity:
    image = engine.image(question.image)
    return CampaignIdentity(
        image_reference=image.reference,
        image_digest=image.digest,
        scenario_hash=scenario_hash(question.scenarios),
        engine=engine.name,
        engine_version=engine.version,
        kernel=platform.release(),
        architecture=engine.architecture,
        denied_errno=question.denied_errno,
        ceiling=ceiling & engine.ceiling,
        capmin_version=__version__,
    )
