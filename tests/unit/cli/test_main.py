"""The frame around every command.

- Help costs little: no command's module is loaded for it, and it shows what each command says of itself.
- Every way to end has its exit code and one or two lines on stderr; a traceback shows with -vv only.
- -v and -q work before and after the command.
- Interrupted by Ctrl-C, a polite kill or a closed terminal it ends alike; a closed stdout is no complaint.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import click
import pytest

from capmin import __version__
from capmin.cli import COMMANDS, main
from capmin.errors import (
    BaselineError,
    BudgetSpent,
    CapminError,
    EngineError,
    ImageError,
    Interrupted,
    Unconfirmed,
    UsageError,
)

CAPMIN = [sys.executable, "-m", "capmin"]
HELP_LIMIT_S = 0.3

Body = Callable[[], int | None]
Install = Callable[[Body], None]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a command of the test's own in doctor's place."""

    def install(body: Body) -> None:
        command = click.Command("doctor", callback=body)
        monkeypatch.setitem(sys.modules, "capmin.cli.doctor", SimpleNamespace(command=command))

    return install


def raising(error: BaseException) -> Body:
    def body() -> int | None:
        raise error

    return body


def test_help_loads_no_command_and_is_quick() -> None:
    heavy = "import sys; import capmin.cli as c; c.main(['--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout
    assert not {"docker", "pandas", "matplotlib", "pyarrow", "tqdm", "capmin.cli.search"} & set(
        loaded.split()
    )


def test_help_takes_less_than_its_limit_as_a_whole_process() -> None:
    # Processor time, which other tests on the same machine do not change much: 0.09 s measured, and no more
    # on the clock of an idle machine.
    def seconds() -> float:
        process = subprocess.Popen([*CAPMIN, "--help"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_utime + usage.ru_stime

    assert min(seconds() for _ in range(5)) < HELP_LIMIT_S


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_help_is_the_commands_own(name: str) -> None:
    assert import_module(f"capmin.cli.{name}").command.get_short_help_str(limit=200) == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert COMMANDS[name] in " ".join(shown.split())
    # Click's mark for a paragraph that stays as it is, where a raw docstring kept click from seeing it.
    assert "\\b" not in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"capmin {__version__}\n"


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: capmin")


@pytest.mark.parametrize("argv", [["nonsense"], ["doctor", "--nonsense"], ["--nonsense"], ["doctor", "x"]])
def test_usage_errors(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "Error:" in output.err
    assert "--help" in output.err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (CapminError, 1),
        (UsageError, 2),
        (ImageError, 2),
        (BaselineError, 3),
        (EngineError, 4),
        (Unconfirmed, 5),
        (BudgetSpent, 5),
        (Interrupted, 130),
    ],
)
def test_errors(
    doctor: Install, kind: type[CapminError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(raising(kind("no such thing: make one")))
    assert main(["doctor"]) == code
    assert capsys.readouterr().err == "capmin: no such thing: make one\n"


def test_a_commands_number_is_the_exit_code(doctor: Install) -> None:
    doctor(lambda: 1)
    assert main(["doctor"]) == 1


def test_an_error_with_control_sequences_is_made_harmless(
    doctor: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(raising(EngineError("it said \x1b[2J\x1b]0;title\x07hello\udc80\rbye")))
    assert main(["doctor"]) == 4
    assert capsys.readouterr().err == "capmin: it said hello\nbye\n"


def test_ctrl_c(doctor: Install, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(raising(KeyboardInterrupt()))
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "capmin: interrupted\n"


def test_a_defect_is_two_lines(doctor: Install, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(raising(KeyError("missing")))
    assert main(["doctor"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "capmin: unexpected KeyError: 'missing'"
    assert "-vv" in second
    assert "report" in second


@pytest.mark.parametrize("argv", [["-vv", "doctor"], ["doctor", "-vv"], ["-v", "doctor", "-v"]])
@pytest.mark.parametrize("error", [KeyError("missing"), EngineError("missing")])
def test_the_traceback_shows_with_vv(
    doctor: Install, argv: list[str], error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(raising(error))
    main(argv)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["doctor"], ["warning", "error"]),
        (["-q", "doctor"], ["error"]),
        (["doctor", "--quiet"], ["error"]),
        (["doctor", "-v"], ["info", "warning", "error"]),
        (["doctor", "-vv"], ["debug", "info", "warning", "error"]),
        (["-vv", "doctor", "-v"], ["debug", "info", "warning", "error"]),
    ],
)
def test_what_is_logged(
    doctor: Install, argv: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        log = logging.getLogger("capmin.anything")
        for level in ("debug", "info", "warning", "error"):
            getattr(log, level)("%s", level)

    doctor(body)
    main(argv)
    output = capsys.readouterr()
    assert [line.rpartition(" ")[2] for line in output.err.splitlines()] == expected
    assert output.out == ""


def test_a_broken_pipe_elsewhere_is_an_error(doctor: Install, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(raising(BrokenPipeError(32, "Broken pipe")))
    assert main(["doctor"]) == 1
    assert "unexpected BrokenPipeError" in capsys.readouterr().err


def test_a_closed_stdout_is_no_complaint() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*CAPMIN, "--help"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_run_the_clean_up(number: signal.Signals) -> None:
    code = """
import sys, time, types, click
import capmin.cli
def body():
    try:
        print("started", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
sys.modules["capmin.cli.doctor"] = types.SimpleNamespace(command=click.Command("doctor", callback=body))
sys.argv = ["capmin", "doctor"]
capmin.cli.entry_point()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        assert process.stdout.read() == "cleaned up\n"
        assert process.stderr.read() == "capmin: interrupted\n"
        assert process.wait() == 130
