"""What each engine can do on this host: it is opened, asked, and made to launch something."""

import errno
import uuid
from dataclasses import dataclass

from capmin.engines import Engine, EngineOptions, Image, LaunchSpec, Observe
from capmin.engines.places import cache_dir, state_dir
from capmin.engines.registry import open_engine
from capmin.errors import CapminError
from capmin.grant import Grant
from capmin.privileges import Capability

_LIMIT_S = 30.0
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkup:
    """What was found: ``problem`` is None where the engine can search, else one or two lines."""

    engine: str
    problem: str | None
    version: str = ""
    observes_syscalls: bool = False
    ceiling: frozenset[Capability] = frozenset()


def check_engine(name: str) -> Checkup:
    """Open an engine and let it launch; whatever it makes is gone afterwards."""
    options = EngineOptions(
        campaign=f"doctor-{uuid.uuid4().hex[:8]}", state_dir=state_dir(), cache_dir=cache_dir()
    )
    try:
        with open_engine(name, options) as engine:
            return Checkup(
                engine=name,
                version=engine.version,
                observes_syscalls=engine.observes_syscalls,
                ceiling=engine.ceiling,
                problem=_launch(engine) if name == "runc" else None,
            )
    except CapminError as error:
        return Checkup(engine=name, problem=str(error))


def _launch(engine: Engine) -> str | None:
    """Launch ``true`` from the host's own root, which the overlay keeps from being written to."""
    root = Image(reference="/", digest="", handle="/", environment=(_PATH,))
    spec = LaunchSpec(image=root, argv=("true",), observe=Observe.USES, denied_errno=errno.ENOSYS)
    with engine.start(spec, Grant(capabilities=frozenset(), syscalls=frozenset())) as container:
        end = container.wait(_LIMIT_S)
        if end is None:
            return f"a container that runs `true` did not end within {_LIMIT_S:g} s"
        if end.code != 0:
            return f"a container that runs `true` ended with {end.code}: {end.refused or container.output()}"
        if engine.observes_syscalls and not container.attempts():
            return "a container was launched, but none of its system calls was seen"
    return None
