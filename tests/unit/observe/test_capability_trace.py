"""The text of the tracer, and what is counted from it; the real kernel is in tests/integration.

- A stack belongs to the last event of its own thread, whatever other CPUs wrote in between.
- Only the program's tree counts, from the program's first exec on.
- Checks alike become one attempt; the kernel's memory accounting becomes none, nor does what overlayfs does
  for its mounter, unless it is a denial.
"""

import pytest

from capmin.observe.capability_trace import tally
from capmin.observe.trace_text import checks, events

INIT, CHILD, OTHER = 100, 101, 7


def line(tid: int, seconds: float, text: str, *frames: str) -> str:
    prefix = f"           <...>-{tid:<7} [001] .....  {seconds:.6f}: "
    stack = "".join(f" => {frame}\n" for frame in (*frames, "do_syscall_64"))
    return f"{prefix}{text}\n{prefix}<stack trace>\n{stack}"


def check(
    tid: int, seconds: float, capability: int, result: int, *frames: str, cred: str = "00000000deadbeef"
) -> str:
    text = f"cap_capable: cred {cred}, target_ns 0, capable_ns 0, cap {capability}, ret {result}"
    return line(tid, seconds, text, *frames)


STARTED = line(INIT, 1.0, "sys_exit: NR 59 = 0")


def seen(text: str) -> list[tuple[int, str | None, bool]]:
    return [(c.capability, c.syscall, c.allowed) for c in checks(text, INIT, "x86_64")]


def test_a_check_belongs_to_the_call_that_its_thread_is_in() -> None:
    text = STARTED + line(INIT, 1.1, "sys_enter: NR 92 (0, 1, 1)") + check(INIT, 1.2, 0, -1, "do_fchownat")
    assert seen(text) == [(0, "chown", False)]


@pytest.mark.parametrize(
    "name", ["python3", "a-1 [0] . 1.0: ", "a\n => b", "-1", " => x", "x\x85y: ", "(sd-pam)"]
)
def test_a_name_that_another_tracer_has_recorded_hides_nothing(name: str) -> None:
    text = STARTED + line(INIT, 1.1, "sys_enter: NR 92 (0, 1, 1)") + check(INIT, 1.2, 0, -1, "do_fchownat")
    assert seen(text.replace("<...>", name)) == [(0, "chown", False)]


def test_a_call_that_has_ended_is_not_blamed() -> None:
    text = STARTED + line(INIT, 1.1, "sys_enter: NR 92 (0)") + line(INIT, 1.2, "sys_exit: NR 92 = 0")
    assert seen(text + check(INIT, 1.3, 24, 0, "vfs_write", "ksys_write")) == [(24, "write", True)]


def test_a_function_that_is_no_call_gives_no_call() -> None:
    assert seen(STARTED + check(INIT, 1.3, 24, 0, "do_page_fault", "asm_exc_page_fault")) == [
        (24, None, True)
    ]


def test_a_stack_is_matched_through_lines_of_other_threads() -> None:
    prefix = "<...>-{} [00{}] ..... {}: "
    text = STARTED + (
        prefix.format(INIT, 0, "2.000001")
        + "cap_capable: cred 1, ns 0, cap 21, ret 0\n"
        + prefix.format(OTHER, 1, "2.000002")
        + "cap_capable: cred 2, ns 0, cap 5, ret -1\n"
        + prefix.format(INIT, 0, "2.000003")
        + "<stack trace>\n => security_vm_enough_memory_mm\n"
        + prefix.format(OTHER, 1, "2.000004")
        + "<stack trace>\n => security_capable\n"
    )
    assert [(e.tid, e.frames) for e in events(text)][1:] == [
        (INIT, ["security_vm_enough_memory_mm"]),
        (OTHER, ["security_capable"]),
    ]
    assert seen(text) == []


def test_what_overlayfs_does_for_its_mounter_is_left_out() -> None:
    text = (
        STARTED
        + check(INIT, 1.1, 21, -1, "security_vm_enough_memory_mm", cred="own")
        + check(INIT, 1.2, 1, 0, "ovl_permission", cred="own")
        + check(INIT, 1.3, 21, 0, "ovl_path_open", cred="mounter")
        + check(INIT, 1.4, 21, 0, "shmem_write_begin", "ovl_write_iter", cred="mounter")
    )
    assert seen(text) == [(1, None, True)]


def test_a_denial_is_never_left_out() -> None:
    # Its credentials may be new: made by setuid, and not in any check outside of overlayfs so far.
    assert seen(STARTED + check(INIT, 1.2, 1, -1, "ovl_permission", cred="new")) == [(1, None, False)]


def test_nothing_counts_before_the_exec() -> None:
    failed = line(INIT, 0.2, "sys_exit: NR 59 = -2")
    assert seen(check(INIT, 0.1, 8, 0) + failed + check(INIT, 0.3, 8, 0)) == []


def test_children_count_and_others_do_not() -> None:
    text = (
        STARTED
        + line(INIT, 1.1, f"task_newtask: pid={CHILD} comm=nginx clone_flags=1200000 oom_score_adj=0")
        + check(CHILD, 1.2, 7, -1)
        + check(OTHER, 1.3, 6, -1)
    )
    assert seen(text) == [(7, None, False)]


def test_programs_have_the_name_of_then() -> None:
    text = (
        line(INIT, 0.9, f"task_rename: pid={INIT} oldcomm=runc:[2:INIT] newcomm=a newcomm=b oom_score_adj=0")
        + STARTED
        + check(INIT, 1.1, 7, -1)
        + line(INIT, 1.2, f"task_rename: pid={INIT} oldcomm=b newcomm=worker oom_score_adj=0")
        + check(INIT, 1.3, 7, -1)
    )
    assert [c.program for c in checks(text, INIT, "x86_64")] == ["b", "worker"]


def test_checks_alike_are_one_attempt() -> None:
    text = STARTED + check(INIT, 1.5, 7, -1) + check(INIT, 1.25, 6, 0) + check(INIT, 3.5, 7, -1)
    setgid, setuid = tally(checks(text, INIT, "x86_64"))
    assert (setgid.privilege, setgid.errno, setgid.count) == ("CAP_SETGID", None, 1)
    assert (setuid.privilege, setuid.errno, setuid.count) == ("CAP_SETUID", 1, 2)
    assert (setuid.first_s, setuid.last_s) == (0.5, 2.5)


def test_a_capability_that_capmin_does_not_know_is_left_out() -> None:
    assert tally(checks(STARTED + check(INIT, 1.5, 63, -1), INIT, "x86_64")) == ()


def test_a_cut_and_damaged_text_is_read_as_far_as_it_goes() -> None:
    text = STARTED + check(INIT, 1.5, 7, -1)
    damaged = "CPU:0 [LOST 12 EVENTS]\n" + text + "\x00\n <...>-1 [000\n => \n" + check(INIT, 1.6, 7, -1)[:60]
    assert seen(damaged) == [(7, None, False)]
