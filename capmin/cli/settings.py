"""Settings: from flags, then ``CAPMIN_*``, then ``capmin.toml`` or ``[tool.capmin]`` in pyproject.toml.

A setting has the name of the option. At the top of the file it is for every command that has that option, in
a table of a command's name for that command: ``workers = 2`` and ``[search]`` with ``confirm = 59``. Likewise
``CAPMIN_WORKERS``, and ``CAPMIN_SEARCH_CONFIRM``.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from capmin.errors import UsageError

_OWN, _PROJECT = "capmin.toml", "pyproject.toml"
_TOOL = ("tool", "capmin")

# Not of one command: where there is no sense in a lasting setting.
_NEVER = frozenset({"help", "version", "verbose", "quiet"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a file says; ``prefix`` is where in it capmin's part is."""

    path: Path | None
    table: Mapping[str, Any]
    prefix: tuple[str, ...] = ()

    def error(self, key: tuple[str, ...], words: str) -> UsageError:
        """An error at a key, to be raised; it tells the line."""
        if self.path is None:
            return UsageError(words)
        from capmin.workload.document import line_of  # noqa: PLC0415 - pydantic, which help has no time for

        line = line_of(self.path.read_text(encoding="utf-8"), (*self.prefix, *key))
        return UsageError(f"{self.path}:{line}: {'.'.join(key)}: {words}")


def find_settings(directory: Path) -> Settings:
    """The settings for a directory: of itself, or the nearest one above it that has some.

    Raises:
        UsageError: the file cannot be read.
    """
    for folder in (directory, *directory.parents):
        for name, prefix in ((_OWN, ()), (_PROJECT, _TOOL)):
            path = folder / name
            if path.is_file() and (table := _table(path, prefix)) is not None:
                return Settings(path=path, table=table, prefix=prefix)
    return Settings(path=None, table={})


def _table(path: Path, prefix: tuple[str, ...]) -> Mapping[str, Any] | None:
    try:
        found: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    for key in prefix:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def add_environment(command: click.Command, name: str) -> None:
    """Let a command's options, and those of the commands in it, be set by ``CAPMIN_*``."""
    for spelled, option in _options(command):
        word = spelled.upper().replace("-", "_")
        option.envvar = [f"CAPMIN_{name.upper()}_{word}", f"CAPMIN_{word}"]
    for child, inner in getattr(command, "commands", {}).items():
        add_environment(inner, f"{name}_{child}")


def defaults(
    settings: Settings, command: click.Command, name: str, commands: Mapping[str, Callable[[], click.Command]]
) -> dict[str, Any]:
    """The part of the settings that is for a command, as click's ``default_map``.

    ``commands`` loads each of them, to tell a setting for another command from a typing error.

    Raises:
        UsageError: a setting is for nothing, or not of its option's kind; the message names file and line.
    """
    general = {key: value for key, value in settings.table.items() if not isinstance(value, dict)}
    found = _general(settings, command, general)
    unknown = general.keys() - set(_spelled(command))
    if unknown:
        known = {spelled for load in commands.values() for spelled in _spelled(load())}
        for key in sorted(unknown - known):
            raise settings.error((key,), "no command has such an option")
    for key, value in settings.table.items():
        if isinstance(value, dict) and key not in commands:
            raise settings.error((key,), "there is no such command")
    return _merged(found, _own(settings, command, settings.table.get(name) or {}, (name,)))


def _spelled(command: click.Command) -> Iterator[str]:
    """The options of a command and of those in it, as they are spelled."""
    yield from (spelled for spelled, _ in _options(command))
    for inner in getattr(command, "commands", {}).values():
        yield from _spelled(inner)


def _options(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """Its options by their long names, without dashes."""
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in _NEVER:
            yield from ((text[2:], option) for text in option.opts if text.startswith("--"))


def _general(settings: Settings, command: click.Command, table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        option.name: _checked(settings, option, table[spelled], (spelled,))
        for spelled, option in _options(command)
        if spelled in table and option.name is not None
    }
    for child, inner in getattr(command, "commands", {}).items():
        found[child] = _general(settings, inner, table)
    return found


def _own(
    settings: Settings, command: click.Command, table: Mapping[str, Any], key: tuple[str, ...]
) -> dict[str, Any]:
    options, children = dict(_options(command)), getattr(command, "commands", {})
    found: dict[str, Any] = {}
    for spelled, value in table.items():
        if spelled in children and isinstance(value, dict):
            found[spelled] = _own(settings, children[spelled], value, (*key, spelled))
        elif spelled in options:
            name = options[spelled].name
            found[str(name)] = _checked(settings, options[spelled], value, (*key, spelled))
        else:
            there = ", ".join(sorted({*options, *children})) or "none"
            raise settings.error(
                (*key, spelled), f"no such option of capmin {' '.join(key)} (there are {there})"
            )
    return found


def _checked(settings: Settings, option: click.Option, value: object, key: tuple[str, ...]) -> object:
    """The value, if the option takes it."""
    if option.is_flag and not isinstance(value, bool):
        raise settings.error(key, "say true or false")
    try:
        option.type_cast_value(click.Context(click.Command("capmin")), value)
    except (click.BadParameter, TypeError) as error:
        words = error.message if isinstance(error, click.BadParameter) else f"not {value!r}"
        raise settings.error(key, words) from error
    return value


def _merged(general: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {**general, **own}
    for key in general.keys() & own.keys():
        if isinstance(general[key], dict) and isinstance(own[key], dict):
            both[key] = _merged(general[key], own[key])
    return both
