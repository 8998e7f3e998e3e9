"""A program that launches `sleep`, says which process it is, and waits to be killed (test_life.py)."""

import errno
import sys
import time
from pathlib import Path

from capmin.engines import EngineOptions, LaunchSpec
from capmin.engines.registry import open_engine
from capmin.grant import Grant

name, campaign, state_dir, cache_dir, docker_host, reference = sys.argv[1:]
options = EngineOptions(
    campaign=campaign,
    state_dir=Path(state_dir),
    cache_dir=Path(cache_dir),
    docker_host=docker_host or None,
)
with open_engine(name, options) as engine:
    spec = LaunchSpec(image=engine.image(reference), argv=("sleep", "600"), denied_errno=errno.EPERM)
    with engine.start(spec, Grant(capabilities=frozenset())) as container:
        print(container.processes()[0].pid, flush=True)
        time.sleep(600)
