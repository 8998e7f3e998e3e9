"""The page holds what the records hold, whatever the image printed.

- The answer, its proof, the exposure and how to search again are on it.
- What came out of the image is text: no tag of its own, no invisible or reordering character.
- It asks for nothing: no script, no address that a browser would fetch, and a policy that forbids both.
- It is drawn whatever was searched, and of however many trials.
"""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import capmin
from capmin import frames, report
from capmin.cli import main
from capmin.errors import UsageError
from capmin.privileges import Capability
from capmin.report import plain, render
from capmin.report.matrix import MOST_TRIALS, draw_matrix
from capmin.report.path import draw_path
from capmin.result import Confirmation
from tests.unit.recorded import RESULT, TRIALS, trial, write_directory


class Tags(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(directory: Path) -> Tags:
    tags = Tags()
    tags.feed(render(capmin.load(directory)))
    return tags


@pytest.fixture
def page(tmp_path: Path) -> Tags:
    return parsed(write_directory(tmp_path / "web"))


@pytest.mark.parametrize(
    "words",
    [
        "CAP_CHOWN",
        "--cap-add CHOWN",
        "--security-opt seccomp=seccomp.json",
        "10 of 10",
        "chown(/data) failed (1: Operation not permitted)",
        "fchownat",
        "CAP_FOWNER",
        "CVE-2022-0847",
        "used, harmless when denied",
        "docker 26.1.5",
        "--service --test 'curl -f '\"'\"'http://[::1]/'\"'\"''",
        "no promise of safety",
    ],
)
def test_it_is_on_the_page(words: str, page: Tags) -> None:
    assert words in page.text


def test_output_is_text(page: Tags) -> None:
    assert not {"script", "b", "img", "iframe", "object"} & {
        tag for tag, attrs in page.elements if tag != "b" or attrs
    }
    assert "<script>alert(1)</script>" in page.text
    assert 'web"><img src=x>:1' in page.text
    assert "serves <b>" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.text)
    assert "\\x1b[2J\\x202e" in page.text


def test_it_asks_for_nothing(page: Tags) -> None:
    policy = next(attrs for tag, attrs in page.elements if attrs.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])
    for tag, attrs in page.elements:
        assert tag not in {"script", "iframe", "img", "audio", "video", "form"}
        assert "src" not in attrs
        assert tag != "link" or attrs["href"] == "data:,"
        assert not any(name.startswith("on") for name in attrs)
    style = (Path(report.__file__).parent / "style.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_links_within_it_lead_somewhere(page: Tags) -> None:
    places = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
    targets = {str(attrs["href"])[1:] for _, attrs in page.elements if str(attrs.get("href")).startswith("#")}
    assert targets
    assert targets <= places


def test_a_doubtful_answer_says_so(tmp_path: Path) -> None:
    result = replace(RESULT, confirmation=Confirmation(passed=9, runs=10))
    assert "not confirmed: do not rely on it" in parsed(write_directory(tmp_path / "web", result=result)).text


@pytest.mark.parametrize("kind", ["capabilities", "syscalls"])
def test_what_was_not_searched_is_told(kind: str, tmp_path: Path) -> None:
    left = replace(RESULT, certificate=())
    result = replace(left, capabilities=None) if kind == "capabilities" else replace(left, syscalls=None)
    assert "were not searched" in parsed(write_directory(tmp_path / "web", result=result)).text


def test_without_a_store_it_says_what_it_cannot_know(tmp_path: Path) -> None:
    page = parsed(write_directory(tmp_path / "web", store=False))
    assert "The launches are not on record" in page.text
    assert "--workload DIR" in page.text


def test_more_than_docker_grants_is_told(tmp_path: Path) -> None:
    assert RESULT.capabilities is not None
    required = RESULT.capabilities.required | {Capability("CAP_SYS_ADMIN")}
    result = replace(RESULT, capabilities=replace(RESULT.capabilities, required=required))
    text = parsed(write_directory(tmp_path / "web", result=result)).text
    assert "This profile grants more than Docker's default" in text


def test_the_matrix_shows_the_last_of_many() -> None:
    many = [trial(number, "syscalls", TRIALS[number % 2 + 2].grant) for number in range(1, MOST_TRIALS + 100)]
    drawing = draw_matrix(frames.trials_frame(many))
    assert (drawing.omitted, drawing.last) == (99, MOST_TRIALS + 99)
    assert all(run.x + run.width <= drawing.width + 1 for row in drawing.rows for run in row.runs)


def test_the_path_stays_within_its_panels() -> None:
    drawing = draw_path(frames.trials_frame(TRIALS), lower_bound=3)
    for panel in drawing.panels:
        marks = [mark for marks in panel.marks.values() for mark in marks]
        assert marks
        assert all(panel.top <= mark.y <= panel.bottom and 0 < mark.x < drawing.width for mark in marks)


def test_the_path_draws_each_trial_once() -> None:
    drawing = draw_path(frames.trials_frame(TRIALS), lower_bound=3)
    assert sum(len(marks) for panel in drawing.panels for marks in panel.marks.values()) == len(TRIALS)


@pytest.mark.parametrize(("text", "shown"), [("a\tb\n", "a\\x09b\\x0a"), ("é — 日本", "é — 日本")])
def test_characters_that_do_not_print_are_spelt_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_the_command_writes_it_beside_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_directory(tmp_path / "web")
    assert main(["report", str(directory)]) == 0
    assert capsys.readouterr().out == f"{directory}/report.html\n"
    assert (directory / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_command_tells_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_directory(tmp_path / "web")
    assert (
        main(["report", str(directory), "--output", str(tmp_path / "no" / "x.html")]) == UsageError.exit_code
    )
    assert "cannot write" in capsys.readouterr().err


def test_plots_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_directory(tmp_path / "r" / "web")
    write_directory(tmp_path / "r" / "shop")
    assert main(["plot", str(tmp_path / "r"), "--output", str(tmp_path / "out"), "--format", "svg"]) == 0
    written = capsys.readouterr().out.split()
    assert len(written) == 2 * 4 + 3
    assert all(Path(path).read_text().startswith("<?xml") for path in written)


def test_plots_about_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_directory(tmp_path / "web")
    assert main(["plot", str(directory), "--only", "comparison"]) == UsageError.exit_code
    assert "nothing to draw" in capsys.readouterr().err
