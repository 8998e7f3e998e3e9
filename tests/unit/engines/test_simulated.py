"""What the simulated engine reports of calls that are watched where they are granted."""

import errno
from collections.abc import Iterable

import pytest

from capmin.engines import LaunchSpec, Observe
from capmin.engines.simulated import SimulatedEngine
from capmin.engines.simulated_program import Needs, Program, Tries
from capmin.grant import Grant
from capmin.privileges import Syscall
from tests.unit.campaigning import IMAGE

BIND, POLL, SOCKET, UNUSED = Syscall("bind"), Syscall("poll"), Syscall("socket"), Syscall("mount")
PROGRAM = Program(steps=(Needs("socket"), Tries("poll"), Tries("bind"), Needs("socket")))
GRANT = Grant(capabilities=frozenset(), syscalls=frozenset({SOCKET, BIND}))


def attempts(observe: Observe, watched: Iterable[Syscall]) -> list[tuple[str, int | None, int]] | None:
    """The calls attempted, with their errno and how often."""
    engine = SimulatedEngine({IMAGE: PROGRAM})
    spec = LaunchSpec(
        image=engine.image(IMAGE),
        argv=("true",),
        observe=observe,
        watched=frozenset(watched),
        denied_errno=errno.EPERM,
    )
    with engine.start(spec, GRANT) as container:
        made = container.attempts()
        assert container.ends() == ()
    return None if made is None else [(each.privilege, each.errno, each.count) for each in made]


def test_watched_calls_that_are_granted_are_seen_and_let_through() -> None:
    assert attempts(Observe.DENIALS, [SOCKET, UNUSED]) == [("socket", None, 2), ("poll", errno.EPERM, 1)]


def test_watched_calls_that_are_not_granted_are_denied_as_others() -> None:
    assert attempts(Observe.DENIALS, [POLL]) == attempts(Observe.DENIALS, []) == [("poll", errno.EPERM, 1)]


@pytest.mark.parametrize("observe", [Observe.NOTHING, Observe.USES])
def test_only_where_denials_are_observed_is_anything_watched(observe: Observe) -> None:
    assert attempts(observe, [SOCKET, POLL]) == attempts(observe, [])


def test_all_that_the_default_filter_allows_can_be_watched() -> None:
    engine = SimulatedEngine({IMAGE: PROGRAM})
    assert engine.watchable(frozenset()) >= {SOCKET, POLL, BIND}
