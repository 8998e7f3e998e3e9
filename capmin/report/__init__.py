"""One campaign as one HTML page: no script, no network, light and dark, on paper too.

Whatever came out of the image (its name, its output) is escaped by the template engine, and characters that
do not print are spelt out; a content security policy in the page forbids everything but its own style.
"""

from functools import cache
from pathlib import Path

import jinja2

from capmin.errors import UsageError
from capmin.records import Records
from capmin.report.page import Page, page_of

__all__ = ["render", "write"]


def render(records: Records) -> str:
    """The page.

    Args:
        records: one campaign, with its result.

    Raises:
        UsageError: the records are of several campaigns, or have no result.
    """
    return _fill(page_of(records))


def write(records: Records, path: Path) -> None:
    """Write the page.

    Raises:
        UsageError: as `render`, or it cannot be written there.
    """
    text = render(records)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _fill(page: Page) -> str:
    return _environment().get_template("page.html.j2").render(page=page)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("capmin.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    return environment


def plain(text: object) -> str:
    """Text in which nothing moves a cursor, reorders what is around it, or is not seen."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))
