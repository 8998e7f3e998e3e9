"""The container of a Quadlet unit: podman-systemd.unit(5)."""

import shlex
from collections.abc import Iterator

from capmin.check.container import PODMAN_DEFAULT, Container, with_security_options
from capmin.check.node import Entry
from capmin.errors import UsageError

_FLAGS = {"--privileged"}
_TAKING = {
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--pid",
    "--network",
    "--net",
    "--ipc",
    "--uts",
    "--userns",
}
_TAKING |= {"--volume", "-v", "--device"}
_NAMESPACES = {"--pid": "pid", "--network": "network", "--net": "network", "--ipc": "ipc", "--uts": "uts"}
_NAMESPACES |= {"--userns": "user"}


def containers(text: str, file: str) -> Iterator[Container]:
    """The one container of a unit.

    Raises:
        UsageError: it has no [Container], or ends in the middle of a quoted word.
    """
    keys = list(_keys(text, file))
    start = next((line for section, _, line in _sections(text) if section == "Container"), None)
    if start is None:
        raise UsageError(f"{file}: no [Container]: give a Quadlet .container unit")
    options = list(_options(keys, file))
    values = _by_name(options)
    images = [entry for key, entry in keys if key == "Image"]
    names = [entry for key, entry in keys if key == "ContainerName"]
    container = Container(
        file=file,
        name=names[-1].text if names else file.rpartition("/")[2].partition(".")[0],
        image=images[-1].text if images else None,
        line=start,
        drop_line=values["--cap-drop"][0].line if "--cap-drop" in values else None,
        default_capabilities=PODMAN_DEFAULT,
        privileged=values["--privileged"][0].line if "--privileged" in values else None,
        added=tuple(values.get("--cap-add", ())),
        dropped=tuple(values.get("--cap-drop", ())),
        host_namespaces=tuple(
            Entry(text=kind, line=entry.line)
            for option, kind in _NAMESPACES.items()
            for entry in values.get(option, ())
            if entry.text == "host"
        ),
        host_paths=tuple(
            Entry(text=entry.text.partition(":")[0], line=entry.line)
            for option in ("--volume", "-v")
            for entry in values.get(option, ())
            if entry.text.startswith(("/", "%t/"))
        ),
        devices=tuple(values.get("--device", ())),
    )
    yield with_security_options(container, values.get("--security-opt", ()))


# What each key becomes on the line of podman run (podman pkg/systemd/quadlet/quadlet.go).
_OPTION = {
    "AddCapability": "--cap-add",
    "DropCapability": "--cap-drop",
    "Network": "--network",
    "Volume": "--volume",
}
_OPTION |= {"AddDevice": "--device", "UserNS": "--userns"}
_TRUE = {"1", "yes", "true", "on"}


def _options(keys: list[tuple[str, Entry]], file: str) -> Iterator[tuple[str, Entry]]:
    """Every key as the option of podman run that it becomes."""
    for key, entry in keys:
        if key in ("AddCapability", "DropCapability"):
            yield from ((_OPTION[key], Entry(text=word, line=entry.line)) for word in entry.text.split())
        elif key in _OPTION:
            yield _OPTION[key], entry
        elif key == "SeccompProfile":
            yield "--security-opt", Entry(text=f"seccomp={entry.text}", line=entry.line)
        elif key == "NoNewPrivileges" and entry.text.lower() in _TRUE:
            yield "--security-opt", Entry(text="no-new-privileges", line=entry.line)
        elif key == "SecurityLabelDisable" and entry.text.lower() in _TRUE:
            yield "--security-opt", Entry(text="label=disable", line=entry.line)
        elif key == "AppArmor":
            yield "--security-opt", Entry(text=f"apparmor={entry.text}", line=entry.line)
        elif key == "Unmask":
            yield "--security-opt", Entry(text=f"unmask={entry.text}", line=entry.line)
        elif key == "PodmanArgs":
            yield from _arguments(entry, file)


def _arguments(entry: Entry, file: str) -> Iterator[tuple[str, Entry]]:
    try:
        words = shlex.split(entry.text)
    except ValueError as error:
        raise UsageError(f"{file}:{entry.line}: PodmanArgs: {error}") from error
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in _FLAGS and value.lower() != "false":
            yield name, Entry(text=value, line=entry.line)
        elif name in _TAKING:
            given = value if equals else next(rest, "")
            parts = given.split(",") if name.startswith("--cap-") else [given]
            yield from ((name, Entry(text=part, line=entry.line)) for part in parts)


def _by_name(options: list[tuple[str, Entry]]) -> dict[str, list[Entry]]:
    values: dict[str, list[Entry]] = {}
    for name, entry in options:
        values.setdefault(name, []).append(entry)
    return values


def _keys(text: str, file: str) -> Iterator[tuple[str, Entry]]:
    """The assignments of [Container]; an empty one takes back those before it (systemd.syntax(7))."""
    found: list[tuple[str, Entry]] = []
    for section, words, line in _sections(text):
        if section != "Container" or not words:
            continue
        key, equals, value = words.partition("=")
        if not equals:
            raise UsageError(f"{file}:{line}: not an assignment: {words}")
        key, value = key.strip(), value.strip()
        if value:
            found.append((key, Entry(text=value, line=line)))
        else:
            found = [(name, entry) for name, entry in found if name != key]
    yield from found


def _sections(text: str) -> Iterator[tuple[str, str, int]]:
    """Section, text and number of each line that counts, continued ones joined; no text for a heading."""
    section, pending, start = "", "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        line, pending = pending + line, ""
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            yield section, "", start
        else:
            yield section, line, start
