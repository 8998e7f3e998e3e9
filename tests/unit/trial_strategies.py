"""Trials of every shape, for the laws of what records them."""

from hypothesis import strategies as st

from capmin.grant import Grant
from capmin.privileges import Syscall
from capmin.privileges.capability import CAPABILITIES
from capmin.privileges.syscall import table
from capmin.trial import Answer, Attempt, End, Granted, Launch, Program, Trial, Verdict

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
outputs = texts | st.integers(500, 3000).map(lambda size: "line é\n" * size)
seconds = st.floats(0, 1e6, allow_nan=False)
codes = st.none() | st.integers(0, 255)

capability_sets = st.frozensets(st.sampled_from(CAPABILITIES), max_size=6)
syscalls = st.sampled_from(sorted(table("x86_64"))) | st.just(Syscall("a_call_of_tomorrow"))
grants = st.builds(
    Grant, capabilities=capability_sets, syscalls=st.none() | st.frozensets(syscalls, max_size=12)
)
attempts = st.builds(
    Attempt,
    privilege=st.sampled_from(CAPABILITIES) | syscalls,
    syscall=st.none() | syscalls,
    program=texts,
    errno=st.none() | st.sampled_from([1, 38]),
    count=st.integers(1, 10**9),
    first_s=seconds,
    last_s=seconds,
)
ends = st.builds(
    End,
    program=texts,
    code=codes,
    denied=st.lists(syscalls, max_size=3, unique=True).map(tuple),
    at_s=seconds,
)
granted = st.builds(
    Granted,
    bounding=capability_sets,
    effective=capability_sets,
    seccomp_mode=st.sampled_from([0, 2]),
    no_new_privileges=st.booleans(),
)
launches = st.builds(
    Launch,
    scenario=texts,
    grant=grants,
    exit_code=codes,
    duration_s=seconds,
    service_exit_code=codes,
    refused=st.none() | texts,
    timed_out=st.booleans(),
    output=outputs,
    probe_output=outputs,
    stalled_s=seconds,
    programs=st.frozensets(st.builds(Program, name=texts, uid=st.integers(0, 2**31)), max_size=3),
    spawned=st.integers(0, 1000),
    phase=texts,
    trouble=st.none() | texts,
    phases_s=st.lists(st.tuples(texts, seconds), max_size=3).map(tuple),
    waited_s=seconds,
    answers=st.lists(st.builds(Answer, phase=texts, source=texts, text=outputs), max_size=3).map(tuple),
    attempts=st.none() | st.lists(attempts, max_size=3).map(tuple),
    ends=st.lists(ends, max_size=3).map(tuple),
    watched=st.frozensets(syscalls, max_size=3),
    granted=st.none() | granted,
)


def trials(number: int) -> st.SearchStrategy[Trial]:
    return st.builds(
        Trial,
        number=st.just(number),
        phase=texts,
        grant=grants,
        launches=st.lists(launches, max_size=3).map(tuple),
        verdict=st.sampled_from(Verdict),
        reason=texts,
        degraded=st.booleans(),
    )


campaigns = st.integers(0, 4).flatmap(lambda count: st.tuples(*(trials(n + 1) for n in range(count))))
"""The trials of a campaign, numbered from 1."""
