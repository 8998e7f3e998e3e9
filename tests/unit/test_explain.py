"""An explanation says of each privilege what the records say, and no more.

- Kept: the trial that failed for want of it, who asked, in which call, and what was printed then; a line that
  passing launches print too is none of it.
- Dropped: denied in a launch that passed, or never used. Of the floor, and of what was never granted, that.
- Without observers or launches it says what it cannot know.
- Text, Markdown and JSON say the same; what came out of the image cannot leave its place in them.
"""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

import capmin
from capmin.cli import main
from capmin.errors import UsageError
from capmin.evidence import choose_line, usual_lines
from capmin.explain import RENDERERS, Explanation, Fate, Reason, explain, privilege_named
from capmin.privileges import Capability, Privilege, Syscall
from capmin.trial import Launch, Trial, Verdict
from tests.unit.recorded import (
    BIND,
    CHOWN,
    CHOWN_LINE,
    CONNECT,
    RESULT,
    TRIALS,
    attempt,
    write_directory,
    write_store,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_directory(tmp_path / "web")


def reason(directory: Path, privilege: Privilege) -> Reason:
    (found,) = explain(capmin.load(directory), privilege).reasons
    return found


def unobserved(trial: Trial) -> Trial:
    return replace(trial, launches=tuple(replace(each, attempts=None) for each in trial.launches))


def test_a_capability_kept(directory: Path) -> None:
    found = reason(directory, CHOWN)
    assert (found.fate, found.trial, found.program) == (Fate.NEEDED, 4, "web")
    assert (found.call, found.answer, found.count) == ("fchownat", "EPERM", 2)
    assert (found.said, found.scenario) == (CHOWN_LINE, "serves <b>")
    assert found.outcome == "the service ended with exit code 1"


def test_a_system_call_kept(directory: Path) -> None:
    found = reason(directory, BIND)
    assert (found.fate, found.trial, found.call, found.answer) == (Fate.NEEDED, 5, "bind", "ENOSYS")
    assert "bind() failed" in found.said


@pytest.mark.parametrize(
    ("privilege", "fate"),
    [
        (CONNECT, Fate.HARMLESS),
        (Syscall("accept4"), Fate.UNUSED),
        (Capability("CAP_KILL"), Fate.UNUSED),
        (Syscall("futex"), Fate.FLOOR),
        (Syscall("mount"), Fate.WITHHELD),
        (Capability("CAP_SYS_ADMIN"), Fate.WITHHELD),
    ],
)
def test_what_is_not_kept(privilege: Privilege, fate: Fate, directory: Path) -> None:
    assert reason(directory, privilege).fate is fate


def test_a_harmless_denial_is_shown_by_a_passing_trial(directory: Path) -> None:
    found = reason(directory, CONNECT)
    assert (found.trial, found.count, found.program) == (3, 4, "web")


def test_each_privilege_has_one_reason(directory: Path) -> None:
    reasons = explain(capmin.load(directory)).reasons
    names = [each.privilege for each in reasons]
    assert len(set(names)) == len(names)
    assert [each.privilege for each in reasons if each.is_kept] == [CHOWN, BIND]


def test_degraded_is_kept_against_a_storm(tmp_path: Path) -> None:
    assert RESULT.syscalls is not None
    degraded = replace(RESULT, syscalls=replace(RESULT.syscalls, degraded=frozenset({BIND})))
    assert reason(write_directory(tmp_path / "web", result=degraded), BIND).fate is Fate.STORMY


def with_launches(directory: Path, proof: Trial, *launches: Launch) -> Path:
    """The same records, but that a proof was played in several scenarios."""
    several = replace(proof, launches=launches)
    write_directory(directory, store=False)
    write_store(
        directory / "trials.sqlite",
        trials=tuple(several if each.number == several.number else each for each in TRIALS),
    )
    return directory


def test_what_was_denied_in_another_scenario_than_the_one_that_broke_is_told(tmp_path: Path) -> None:
    proof = TRIALS[-1]
    (broke,) = proof.launches
    passed = replace(broke, exit_code=0, output="", scenario="starts")
    blind = replace(broke, attempts=(), scenario="restarts")
    found = reason(with_launches(tmp_path / "web", proof, passed, blind), BIND)
    assert (found.call, found.answer, found.program) == ("bind", "ENOSYS", "web")
    assert found.scenario == "restarts"
    assert "bind() failed" in found.said


def test_a_storm_is_told_where_it_was(tmp_path: Path) -> None:
    proof = replace(TRIALS[-1], verdict=Verdict.WORKS, degraded=True, reason="degraded: a storm")
    (launch,) = proof.launches
    storm = attempt(BIND, BIND, error=errno.ENOSYS, count=2000)
    storming = replace(launch, exit_code=0, scenario="starts", attempts=(storm,))
    calm = replace(launch, exit_code=0, scenario="restarts")
    found = reason(with_launches(tmp_path / "web", proof, storming, calm), BIND)
    assert (found.scenario, found.count) == ("starts", 2000)


def test_a_kept_one_without_proof_says_so(tmp_path: Path) -> None:
    result = replace(RESULT, certificate=RESULT.certificate[:1])
    assert reason(write_directory(tmp_path / "web", result=result), BIND).fate is Fate.UNPROVEN


def test_the_filter_may_stand_before_the_capability(tmp_path: Path) -> None:
    admin = Capability("CAP_SYS_ADMIN")
    assert RESULT.capabilities is not None
    result = replace(
        RESULT,
        capabilities=replace(RESULT.capabilities, required=frozenset({admin})),
        syscalls=None,
        certificate=(replace(RESULT.certificate[0], privilege=admin, trial=1, denied=None),),
    )
    found = reason(write_directory(tmp_path / "web", result=result), admin)
    assert found.note.startswith("Docker's filter allows only with it:")
    assert "mount" in found.note.split()


def test_without_observers_it_says_what_it_cannot_know(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "web", store=False)
    write_store(directory / "trials.sqlite", trials=tuple(unobserved(trial) for trial in TRIALS))
    explanation = explain(capmin.load(directory))
    assert [sentence.split(":")[0] for sentence in explanation.unknown] == [
        "Nothing watched the checks of capabilities",
        "Nothing watched system calls",
    ]
    assert not explanation.of(Fate.UNUSED, Fate.HARMLESS)
    assert explanation.of(Fate.UNKNOWN)
    (chown,) = (each for each in explanation.reasons if each.privilege == CHOWN)
    assert (chown.program, chown.call, chown.said) == (None, "fchownat", CHOWN_LINE)


def test_without_a_store_the_certificate_is_what_there_is(tmp_path: Path) -> None:
    explanation = explain(capmin.load(write_directory(tmp_path / "web", store=False)))
    assert explanation.unknown[0].startswith("The launches are not on record")
    assert explanation.of(Fate.NEEDED)[0].said == CHOWN_LINE


def test_several_at_once_are_refused(tmp_path: Path) -> None:
    write_directory(tmp_path / "a")
    write_directory(tmp_path / "b")
    with pytest.raises(UsageError, match="one result at a time"):
        explain(capmin.load(tmp_path))


@pytest.mark.parametrize(
    ("text", "name"),
    [("chown", "chown"), ("CHOWN", "CAP_CHOWN"), ("cap_chown", "CAP_CHOWN"), ("net_raw", "CAP_NET_RAW")],
)
def test_a_privilege_goes_by_the_names_that_people_use(text: str, name: str) -> None:
    assert privilege_named(text, "x86_64") == name


def test_no_such_privilege_is_told() -> None:
    with pytest.raises(UsageError, match="no system call and no capability is called 'chwon'"):
        privilege_named("chwon", "x86_64")


@pytest.mark.parametrize("form", RENDERERS)
def test_every_form_tells_the_same(form: str, directory: Path) -> None:
    text = RENDERERS[form](explain(capmin.load(directory)))
    for word in ("CAP_CHOWN", "fchownat", "web", "Operation not permitted", "connect", "CAP_KILL"):
        assert word in text


def test_json_is_one_document(directory: Path) -> None:
    document = json.loads(RENDERERS["json"](explain(capmin.load(directory))))
    assert document["schema"] == "capmin/explanation/1"
    kept = {each["privilege"]: each for each in document["privileges"] if each["kept"]}
    assert kept.keys() == {"CAP_CHOWN", "bind"}
    assert kept["CAP_CHOWN"]["call"] == "fchownat"
    assert document["alternatives"] == [["CAP_FOWNER"]]


def test_markdown_keeps_output_in_its_cell() -> None:
    said = "a | b `c`\n| <script>"
    explanation = Explanation(
        image="x`|y",
        digest="d",
        reasons=(Reason(privilege=BIND, fate=Fate.NEEDED, trial=1, outcome="no", said=said),),
    )
    row = next(line for line in RENDERERS["markdown"](explanation).splitlines() if "bind" in line)
    assert row.replace("\\|", "").count("|") == 6
    assert "`a \\| b 'c' \\| <script>`" in row


@pytest.mark.parametrize("form", RENDERERS)
def test_the_command_prints_it(form: str, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(directory), "CAP_CHOWN", "--format", form]) == 0
    out = capsys.readouterr().out
    assert "fchownat" in out
    assert "\x1b" not in out
    assert "connect" not in out


def test_the_command_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tmp_path / "none")]) == UsageError.exit_code
    assert "there is no" in capsys.readouterr().err


LINES: list[tuple[str, str | None, str]] = [
    ("a\nx failed (1: Operation not permitted)\nz", None, "x failed (1: Operation not permitted)"),
    ("open failed: Permission denied\nfchown: Permission denied", "fchown", "fchown: Permission denied"),
    (
        "read: Permission denied\nopen() failed: Permission denied",
        "openat",
        "open() failed: Permission denied",
    ),
    ("error: no\nchown said no", None, "error: no"),
    ("one\ntwo\n\n", None, "two"),
    ("", None, ""),
]


@pytest.mark.parametrize(("output", "call", "line"), LINES)
def test_the_line_that_tells(output: str, call: str | None, line: str) -> None:
    assert choose_line((output,), call=call) == line


def test_what_passing_launches_print_is_no_reason() -> None:
    usual = usual_lines(["12:00 [7] sigprocmask() failed (38: Function not implemented)\nready"])
    output = "13:31 [8] sigprocmask() failed (38: Function not implemented)\n[9] setgid(33) failed"
    assert choose_line((output,), call="setgid", usual=usual) == "[9] setgid(33) failed"
    assert choose_line((output.splitlines()[0],), usual=usual) == ""
