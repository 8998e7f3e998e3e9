"""Text of files in systemd's syntax (systemd.syntax(7))."""

from collections.abc import Iterable

from capmin.emit.provenance import one_line

_WIDTH = 100


def section(name: str, keys: Iterable[tuple[str, str]]) -> str:
    """A section; a key may stand in it more than once."""
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys)


def literal(value: str) -> str:
    """A value as one word or more, in one line, in which a percent sign stands for itself."""
    return one_line(value).replace("%", "%%")


def lines(key: str, words: Iterable[str], prefix: str = "") -> str:
    """A list as assignments of a readable length, which systemd adds up; no words: no text."""
    text, line = "", ""
    for word in words:
        if line and len(key) + len(prefix) + len(line) + len(word) > _WIDTH:
            text += f"{key}={prefix}{line}\n"
            line = ""
        line += f" {word}" if line else word
    return text + (f"{key}={prefix}{line}\n" if line else "")
