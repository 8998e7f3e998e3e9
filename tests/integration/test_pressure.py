"""On a busy machine what waits for a processor is given more time, and what hangs is not.

- Of its own containers each engine's launch sees how long they could have run, and did not.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from capmin.engines import Engine
from capmin.grant import Grant
from capmin.play import play, stage_for
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.scenario import Ready, Scenario, Setting
from capmin.trial import Launch

LIMIT_S = 3.0
SPINNERS = 2 * (os.cpu_count() or 1)
NEVER = "^never said$"


@pytest.fixture
def _busy() -> Iterator[None]:
    """More that wants a processor than there are."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(SPINNERS)]
    yield
    for spinner in spinners:
        spinner.kill()
        spinner.wait()


def launched(engine: Engine, image: str, script: str) -> Launch:
    scenario = Scenario(service=True, ready=Ready(log=NEVER), setting=Setting(arguments=("sh", "-c", script)))
    stage = stage_for(engine, scenario, engine.image(image), denied_errno=errno.ENOSYS, limit_s=LIMIT_S)
    stage = replace(stage, longest_s=60.0)
    return play(engine, scenario, stage, Grant(capabilities=DOCKER_DEFAULT))


@pytest.mark.usefixtures("_busy")
@pytest.mark.parametrize("name", ["runc", "docker", "docker-modern"])
def test_only_what_is_starved_is_given_more_time(
    name: str, open_real_engine: Callable[[str], Engine], built: Callable[[str], str]
) -> None:
    engine, image = open_real_engine(name), built("tools")
    idle = launched(engine, image, "sleep 60")
    assert idle.timed_out
    assert idle.stalled_s > LIMIT_S / 2
    # Without the start, which may take as long as it likes on a busy machine.
    assert idle.waited_s < 1.5 * LIMIT_S
    spinning = launched(engine, image, "while :; do :; done")
    assert spinning.timed_out
    assert spinning.waited_s > idle.waited_s + LIMIT_S / 2
