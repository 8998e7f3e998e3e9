"""What a trial says about privileges, beyond its verdict: who failed first, and what may have mattered."""

import pytest

from capmin.grant import Grant
from capmin.phases.reading import attempted, ending, failed_first, tolerated
from capmin.privileges import Capability, Privilege, Syscall
from capmin.trial import Attempt, End, Launch, Trial, Verdict

BIND, MOUNT, POLL, READV = Syscall("bind"), Syscall("mount"), Syscall("poll"), Syscall("readv")
CHOWN = Capability("CAP_CHOWN")
GRANT = Grant(capabilities=frozenset(), syscalls=frozenset({BIND, POLL, READV}))


def end(program: str, code: int | None, *denied: Syscall) -> End:
    return End(program=program, code=code, denied=denied, at_s=0.0)


def launch(
    *attempts: Attempt,
    ends: tuple[End, ...] = (),
    output: str = "",
    watched: frozenset[Syscall] = frozenset(),
    observed: bool = True,
    refused: str | None = None,
    exit_code: int = 1,
) -> Launch:
    return Launch(
        scenario="test",
        grant=GRANT,
        exit_code=exit_code,
        duration_s=0.1,
        output=output,
        attempts=attempts if observed else None,
        ends=ends,
        watched=watched,
        refused=refused,
    )


def attempt(privilege: Privilege, errno: int | None = None) -> Attempt:
    return Attempt(
        privilege=privilege, syscall=None, program="x", errno=errno, count=1, first_s=0.1, last_s=0.1
    )


def trial(*launches: Launch, grant: Grant = GRANT, verdict: Verdict = Verdict.BREAKS) -> Trial:
    return Trial(number=1, phase="syscalls", grant=grant, launches=launches, verdict=verdict, reason="")


FINE, UNDENIED = end("sh", 0, POLL), end("curl", 7)
KILLED, DIED = end("worker", None, BIND), end("master", 1, MOUNT)


@pytest.mark.parametrize(
    ("ends", "usual", "first"),
    [
        ((), set(), None),
        ((FINE, UNDENIED), set(), None),
        ((FINE, UNDENIED, KILLED, DIED), set(), KILLED),
        ((DIED, KILLED), set(), DIED),
        ((KILLED, DIED), {("worker", None)}, DIED),
        ((KILLED, DIED), {("worker", 1), ("master", None)}, KILLED),
        ((KILLED, DIED), {("worker", None), ("master", 1)}, None),
    ],
)
def test_the_first_unusual_end_after_a_denial_failed_first(
    ends: tuple[End, ...], usual: set[tuple[str, int | None]], first: End | None
) -> None:
    assert failed_first(launch(ends=ends), usual) == first


def test_what_processes_that_end_well_were_denied_is_tolerated() -> None:
    ends = (end("a", 0, BIND, POLL), end("b", 0, POLL), end("c", 1, MOUNT), end("d", None, READV))
    assert tolerated(launch(ends=ends)) == {BIND, POLL}
    assert tolerated(launch()) == frozenset()


def test_what_is_granted_counts_as_attempted_unless_it_was_watched() -> None:
    denied = attempt(MOUNT, 1)
    watching = launch(denied, attempt(POLL), watched=frozenset({POLL, READV}))
    assert attempted(trial(watching)) == frozenset({BIND, MOUNT, POLL})
    assert attempted(trial(launch(denied))) == frozenset({BIND, POLL, READV, MOUNT})


def test_capabilities_that_were_checked_were_attempted() -> None:
    checked = launch(attempt(CHOWN), attempt(BIND), watched=frozenset({BIND, POLL, READV}))
    assert attempted(trial(checked)) == frozenset({CHOWN, BIND})


def test_only_the_launch_that_decided_tells_what_was_attempted() -> None:
    everything = frozenset({BIND, POLL, READV})
    first, last = launch(attempt(BIND), watched=everything), launch(attempt(POLL), watched=everything)
    assert attempted(trial(first, last)) == frozenset({POLL})


@pytest.mark.parametrize(
    "untold",
    [
        trial(launch(), verdict=Verdict.WORKS),
        trial(launch(), grant=Grant(capabilities=frozenset())),
        trial(launch(observed=False)),
        trial(launch(refused="exec: not found")),
    ],
    ids=["passes", "default filter", "unobserved", "refused"],
)
def test_nobody_knows_what_was_attempted(untold: Trial) -> None:
    assert attempted(untold) is None


def alike(one: str, other: str) -> bool:
    return ending(launch(output=one), None) == ending(launch(output=other), None)


FEW, MANY = 8, 30
COMPLAINT = "rsync: cannot open file\n"


@pytest.mark.parametrize("output", ["", "\n\n", "17:30 12\n"])
def test_nothing_said_is_no_ending(output: str) -> None:
    assert ending(launch(output=output), DIED) is None


@pytest.mark.parametrize("lines", [1, MANY])
@pytest.mark.parametrize(
    ("one", "other"),
    [("17:30 failed", "18:02 failed"), ("pid 12 died", "pid 4711 died"), ("no /tmp/xYzQ", "no /tmp/aBcD")],
)
def test_words_with_digits_or_with_capitals_inside_do_not_count(one: str, other: str, lines: int) -> None:
    assert alike(f"{one}\n" * lines, f"{other}\n" * lines)


@pytest.mark.parametrize("lines", [1, MANY])
@pytest.mark.parametrize(("one", "other"), [("Denied here", "Failed here"), ("ERROR", "WARNING")])
def test_words_with_capitals_before_all_others_count(one: str, other: str, lines: int) -> None:
    assert not alike(f"{one}\n" * lines, f"{other}\n" * lines)


def test_the_order_of_lines_does_not_count() -> None:
    assert alike("cannot bind\nworker died\n", "worker died\ncannot bind\n")


def test_of_few_lines_all_count() -> None:
    assert not alike(COMPLAINT * (FEW - 1), COMPLAINT * FEW)
    assert not alike(COMPLAINT * (FEW - 1) + "cannot bind\n", COMPLAINT * FEW)


def test_of_many_lines_the_words_that_recur_count() -> None:
    assert alike(COMPLAINT * (FEW + 1), COMPLAINT * MANY)
    assert alike(COMPLAINT * MANY + "cannot bind\n" * 2, COMPLAINT * MANY)
    assert not alike(COMPLAINT * MANY + "cannot bind\n" * 3, COMPLAINT * MANY)
    assert alike(COMPLAINT * MANY + "bind bind bind\n", COMPLAINT * MANY)


@pytest.mark.parametrize("lines", [1, MANY])
def test_who_failed_and_how_it_ended_counts(lines: int) -> None:
    said = COMPLAINT * lines
    endings = [
        ending(launch(output=said), None),
        ending(launch(output=said), DIED),
        ending(launch(output=said), KILLED),
        ending(launch(output=said, exit_code=2), KILLED),
    ]
    assert len(set(endings)) == len(endings)
    assert ending(launch(output=said), end("master", 2, POLL)) == endings[1]
