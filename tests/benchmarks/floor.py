"""What runc itself calls between loading a filter and starting the program: the measurement behind FLOOR.

Run as root: ``python -m tests.benchmarks.floor [LAUNCHES [WORKERS]]``. First every call that can be is
notified and let through, and those before execve are counted; here a few launches may hang, because runc's
init makes a notified call before it has handed the descriptor over. Then all but FLOOR is notified: that is
how trials run, so what is seen there is missing from FLOOR, and nothing may hang.
"""

import errno
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

from capmin.engines import EngineOptions, Image, LaunchSpec
from capmin.engines.places import cache_dir
from capmin.engines.rootfs import RootfsCache
from capmin.engines.runc import RuncEngine
from capmin.engines.runc_container import RuncContainer
from capmin.engines.runc_launch import Launch, new_identity
from capmin.observe.seccomp_notify import SeccompListener
from capmin.privileges import Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.syscall import host_architecture, table
from capmin.seccomp import FLOOR, SECCOMP_ARCHITECTURE, Action, Rule, SeccompProfile
from tests.contract.images import contract_image

ARCHITECTURE = host_architecture()
LIMIT_S = 20.0
_sockets = count()


def notifying_all_but(allowed: frozenset[Syscall], socket: Path) -> SeccompProfile:
    return SeccompProfile(
        default_action=Action.ERRNO,
        default_errno=errno.EPERM,
        architectures=(SECCOMP_ARCHITECTURE[ARCHITECTURE],),
        listener_path=str(socket),
        rules=(
            Rule(names=tuple(sorted(allowed)), action=Action.ALLOW),
            Rule(names=tuple(sorted(table(ARCHITECTURE).keys() - allowed)), action=Action.NOTIFY),
        ),
    )


def runtime_calls(engine: RuncEngine, image: Image, allowed: frozenset[Syscall]) -> frozenset[str]:
    """The runtime's notified calls in one launch; "(hangs)" where it does."""
    socket = engine._site.path / f"floor-{next(_sockets)}"
    launch = Launch(
        identity=new_identity(),
        spec=LaunchSpec(image=image, argv=("true",), denied_errno=errno.ENOSYS),
        capabilities=DOCKER_DEFAULT,
        seccomp=notifying_all_but(allowed, socket),
    )
    with (
        SeccompListener(socket, decide=lambda _name, _arguments: None, architecture=ARCHITECTURE) as listener,
        RuncContainer(engine._site, launch, listener) as container,
    ):
        ended = container.wait(LIMIT_S)
        seen = {str(attempt.syscall) for attempt in listener.runtime_calls()}
    return frozenset(seen if ended is not None else {"(hangs)"})


def main(launches: int = 300, workers: int = 8) -> None:
    with RootfsCache(cache_dir() / "tests") as cache, tempfile.TemporaryDirectory(prefix="capmin-") as state:
        plain = cache.image(contract_image(cache))
        options = EngineOptions(campaign="floor", state_dir=Path(state), cache_dir=cache_dir() / "tests")
        with RuncEngine(options, RootfsCache(options.cache_dir)) as engine:
            for allowed in (frozenset([Syscall("write")]), FLOOR - {"execve"}):
                for user in ("", "33"):
                    image = replace(plain, user=user)
                    with ThreadPoolExecutor(workers) as pool:
                        seen = list(
                            pool.map(
                                lambda _, i=image, a=allowed: runtime_calls(engine, i, a), range(launches)
                            )
                        )
                    print(f"{launches} launches as {user or 'root'}, {len(allowed)} calls not notified")
                    for name, times in Counter(name for names in seen for name in names).most_common():
                        print(f"  {times:5} {name}{'' if name in FLOOR else '   <- not in FLOOR'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
