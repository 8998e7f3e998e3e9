"""What a trial costs over a bare launch of the same image: ``true``, no network, one after the other.

    python -m tests.benchmarks.launch_cost [ROUNDS]

In each round every contender launches once, so that a machine that is busy for a while is busy for all.
A trial is what the oracle makes: the container started on a fresh overlay, waited for, judged, and removed.
"""

import errno
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from capmin.engines import Engine, EngineOptions, Image, Observe
from capmin.engines.places import cache_dir
from capmin.engines.registry import open_engine
from capmin.engines.rootfs import RootfsCache
from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.judge import Stage, judge, play
from capmin.judge import Usual as Nothing
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.scenario import Scenario
from capmin.seccomp import FLOOR
from capmin.trial import Verdict
from tests.contract.images import contract_image

ROUNDS = 30
TRUE = ("/bin/true",)

Launch = Callable[[], None]


def main(rounds: int = ROUNDS) -> None:
    """Measure, and print a table: the median of each, and what it is over the bare launch before it."""
    with ExitStack() as stack:
        state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="capmin-")))
        images = stack.enter_context(RootfsCache(cache_dir() / "tests"))
        image = images.image(contract_image(images))
        options = EngineOptions(
            campaign=f"bench-{uuid.uuid4().hex[:8]}", state_dir=state_dir, cache_dir=cache_dir() / "tests"
        )
        groups = {
            "runc": stack.enter_context(_with_runc(options, image, state_dir)),
            "docker": stack.enter_context(_with_docker(options, image)),
        }
        times_s = _measure(
            {name: launch for group in groups.values() for name, launch in group.items()}, rounds
        )
    print(f"One launch of {' '.join(TRUE)}, median of {rounds}")
    for group in groups.values():
        _report(group, times_s)


def _report(names: Mapping[str, Launch], times_s: Mapping[str, list[float]]) -> None:
    bare_s = None
    for name in names:
        median_s = statistics.median(times_s[name])
        bare_s = bare_s or median_s
        over = (
            "" if bare_s == median_s else f"{(median_s - bare_s) * 1e3:+8.0f} ms  x {median_s / bare_s:.2f}"
        )
        print(f"  {name:34} {median_s * 1e3:6.0f} ms {over}")


def _measure(contenders: Mapping[str, Launch], rounds: int) -> dict[str, list[float]]:
    times_s: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(rounds + 1):
        for name, launch in contenders.items():
            started = time.monotonic()
            launch()
            if index > 0:  # the first one fills caches
                times_s[name].append(time.monotonic() - started)
    return times_s


@contextmanager
def _with_runc(options: EngineOptions, image: Image, scratch: Path) -> Iterator[Mapping[str, Launch]]:
    try:
        engine = open_engine("runc", options)
    except EngineError as error:
        print(f"runc is not measured: {error}")
        yield {}
        return
    with engine:
        yield {
            "runc run": _bare_runc(Path(image.handle), scratch / "bare"),
            **_trials(engine, image.reference),
        }


@contextmanager
def _with_docker(options: EngineOptions, image: Image) -> Iterator[Mapping[str, Launch]]:
    try:
        engine = open_engine("docker", options)
    except EngineError as error:
        print(f"docker is not measured: {error}")
        yield {}
        return
    with engine:
        loaded = engine.image(image.reference)
        yield {"docker run --rm": _docker_run(loaded.handle), **_trials(engine, image.reference)}


def _bare_runc(root: Path, bundle: Path) -> Launch:
    """``runc run`` of what ``runc spec`` writes, on a copy of the image: it makes /proc and /sys in it."""
    bundle.mkdir()
    shutil.copytree(root, bundle / "rootfs", symlinks=True)
    subprocess.run(["runc", "spec"], cwd=bundle, check=True)
    config = json.loads((bundle / "config.json").read_text())
    config["root"] = {"path": "rootfs", "readonly": True}
    config["process"] |= {"terminal": False, "args": list(TRUE)}
    (bundle / "config.json").write_text(json.dumps(config))

    def launch() -> None:
        name = f"capmin-bench-{uuid.uuid4().hex[:12]}"
        _run("runc", "--root", str(bundle / "state"), "run", "--bundle", str(bundle), name)

    return launch


def _docker_run(image: str) -> Launch:
    return lambda: _run("docker", "run", "--rm", "--network", "none", image, *TRUE)


def _run(*arguments: str) -> None:
    subprocess.run(arguments, stdin=subprocess.DEVNULL, check=True)


def _trials(engine: Engine, reference: str) -> Mapping[str, Launch]:
    """Trials as in the phase that searches capabilities, and as in that which searches system calls."""
    image = engine.image(reference)
    scenario = Scenario(test=TRUE)
    stage = Stage(image=image, test_image=image, denied_errno=errno.ENOSYS, limit_s=60.0)
    grant = Grant(capabilities=DOCKER_DEFAULT & engine.ceiling)
    fewer = grant.with_syscalls(engine.default_syscalls(grant.capabilities) - FLOOR - {"getsid"})
    watched = Stage(
        image=image, test_image=image, denied_errno=errno.ENOSYS, limit_s=60.0, observe=Observe.DENIALS
    )

    def trial(stage: Stage, grant: Grant) -> Launch:
        def launch() -> None:
            verdict, reason = judge(play(engine, scenario, stage, grant), Nothing())
            if verdict is not Verdict.WORKS:
                raise RuntimeError(reason)

        return launch

    found = {f"capmin trial on {engine.name}": trial(stage, grant)}
    if engine.observes_syscalls:
        found[f"capmin trial on {engine.name}, watching"] = trial(watched, fewer)
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
