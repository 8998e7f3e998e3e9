"""What a container is granted beyond what its image needs."""

import errno
from collections.abc import Iterator
from pathlib import Path

from capmin.check.container import ALL, Container, Seccomp, is_sensitive, is_socket
from capmin.check.finding import RULES, Finding, Level
from capmin.errors import UsageError
from capmin.portable import Runtime, runtime_calls
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.risk import CAPABILITY_RISK
from capmin.profile import Profile
from capmin.profile_files import Reading, parse_profile, read_profile
from capmin.seccomp import docker_default

_WHOLE_HOST_RISK = 100
"""`capmin.privileges.risk`: these give the host away."""

NAMED = 6
"""So many privileges a message names; the rest is counted, and listed in JSON."""


def check(container: Container, profile: Profile | None) -> tuple[Finding, ...]:
    """Everything found in one container, by line.

    Args:
        container: as it stands in a file.
        profile: what its image needs; None where nobody knows.

    Raises:
        UsageError: a capability or the filter that is named is none.
    """
    found = [*_privileged(container), *_surroundings(container)]
    if profile is None:
        found.append(_no_result(container))
        found += _filter_off(container)
    else:
        found += [*_capabilities(container, profile), *_seccomp(container, profile)]
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.rule.number, finding.message)))


def _finding(container: Container, rule: str, level: Level, line: int, message: str, *names: str) -> Finding:
    return Finding(
        rule=RULES[rule],
        level=level,
        file=container.file,
        line=line,
        container=container.name,
        message=message,
        privileges=names,
    )


def _privileged(container: Container) -> Iterator[Finding]:
    if container.privileged is not None:
        words = "privileged: every capability, no filter, and the host's devices"
        yield _finding(container, "privileged", Level.ERROR, container.privileged, words)


def _no_result(container: Container) -> Finding:
    words = f"no result for {container.image or 'its image'}: only what no image should have is checked"
    return _finding(container, "no-result", Level.NOTE, container.line, words)


def _capabilities(container: Container, profile: Profile) -> Iterator[Finding]:
    needed = DOCKER_DEFAULT if profile.capabilities is None else profile.capabilities
    everything = container.privileged is not None
    for entry in container.added:
        if entry.text.upper() == ALL:
            everything = True
            spare = container.effective - needed
            words = f"adds every capability; the tests need {_listed(needed)}"
            yield _finding(container, "capability-added", Level.ERROR, entry.line, words, *sorted(spare))
        elif (name := container.capability(entry)) not in needed:
            level = Level.ERROR if CAPABILITY_RISK[name] >= _WHOLE_HOST_RISK else Level.WARNING
            words = f"adds {name}, which the tests pass without"
            yield _finding(container, "capability-added", level, entry.line, words, name)
    spare = container.kept_defaults - needed - container.added_names
    if spare and not everything:
        line = container.drop_line or container.line
        words = f"keeps {_listed(spare)} of the runtime's own, which the tests pass without: drop ALL"
        yield _finding(container, "default-capabilities", Level.WARNING, line, words, *sorted(spare))
    if missing := (profile.capabilities or frozenset()) - container.effective:
        line = container.drop_line or container.line
        words = f"lacks {_listed(missing)}, which the tests need"
        yield _finding(container, "privilege-missing", Level.NOTE, line, words, *sorted(missing))


def _listed(names: frozenset[Capability] | frozenset[Syscall]) -> str:
    if not names:
        return "none"
    some = sorted(name.removeprefix("CAP_") for name in names)
    more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
    return " ".join(some[:NAMED]) + more


def _filter_off(container: Container) -> Iterator[Finding]:
    source = container.seccomp_source
    if container.seccomp is Seccomp.UNCONFINED and source is not None:
        yield _finding(
            container, "seccomp-off", Level.ERROR, source.line, "seccomp is off: no call is filtered"
        )
    if container.seccomp is Seccomp.UNSAID and container.privileged is None:
        words = "no seccompProfile: no call is filtered, unless the kubelet has seccompDefault"
        yield _finding(container, "seccomp-off", Level.WARNING, container.line, words)


def _seccomp(container: Container, profile: Profile) -> Iterator[Finding]:
    yield from _filter_off(container)
    if container.seccomp in (Seccomp.FILE, Seccomp.INLINE):
        yield from _given_filter(container, profile)
    elif (
        container.seccomp is Seccomp.DEFAULT and profile.syscalls is not None and container.privileged is None
    ):
        allowed = docker_default(container.effective, profile.architecture).allowed
        spare = allowed - profile.syscalls
        line = container.line if container.seccomp_source is None else container.seccomp_source.line
        words = f"the runtime's own filter allows {len(spare)} system calls that the tests pass without"
        yield _finding(container, "seccomp-default", Level.WARNING, line, words, *sorted(spare))


def _given_filter(container: Container, profile: Profile) -> Iterator[Finding]:
    """A filter of its own; one that allows no more than what was used, needed or not, is only noted."""
    source = container.seccomp_source
    if source is None:
        return
    reading = Reading(architecture=profile.architecture, capabilities=container.effective)
    try:
        given = _read_filter(container, source.text, reading)
    except FileNotFoundError as error:
        words = f"its filter {source.text} is not checked: there is no {error.filename}"
        yield _finding(container, "filter-not-read", Level.NOTE, source.line, words)
        return
    except UsageError as error:
        raise UsageError(f"{container.file}:{source.line}: {error}") from error
    if profile.syscalls is None:
        return
    # crun's own calls are the runtime's, not the tests': emitted profiles may have them.
    if spare := given - profile.syscalls - runtime_calls(Runtime.BOTH):
        level = Level.NOTE if spare <= profile.observed else Level.WARNING
        words = f"its filter allows {_listed(spare)}, which the tests pass without"
        yield _finding(container, "seccomp-wider", level, source.line, words, *sorted(spare))
    if missing := (profile.required or frozenset()) - given:
        words = f"its filter denies {_listed(missing)}, which the tests need"
        yield _finding(container, "privilege-missing", Level.NOTE, source.line, words, *sorted(missing))


def _read_filter(container: Container, text: str, reading: Reading) -> frozenset[Syscall]:
    """What a filter allows; a path is relative to the file that names it.

    A path on another machine, as the kubelet's, is looked for beside the file, too, by its last part.
    """
    if container.seccomp is Seccomp.INLINE:
        given = parse_profile(text, f"the filter of {container.name}", reading)
        return given.calls(reading.architecture) or frozenset()
    path = Path(container.file).parent / text
    beside = Path(container.file).parent / Path(text).name
    if not path.exists() and not beside.exists():
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
    given = read_profile(str(path if path.exists() else beside), reading)
    return given.calls(reading.architecture) or frozenset()


def _surroundings(container: Container) -> Iterator[Finding]:
    for entry in container.host_namespaces:
        level = Level.ERROR if entry.text in ("pid", "user") else Level.WARNING
        words = f"shares the host's {entry.text} namespace; the tests pass in one of its own"
        yield _finding(container, "host-namespace", level, entry.line, words)
    for entry in container.host_paths:
        if is_socket(entry.text):
            words = f"gets {entry.text}: whoever writes to it is root on the host"
            yield _finding(container, "runtime-socket", Level.ERROR, entry.line, words)
        elif is_sensitive(entry.text):
            words = f"gets {entry.text} of the host; the tests pass without"
            yield _finding(container, "host-path", Level.WARNING, entry.line, words)
    for entry in container.devices:
        words = f"gets the device {entry.text}; the tests pass without"
        yield _finding(container, "device", Level.WARNING, entry.line, words)
    for entry in container.unconfined:
        words = f"{entry.text} turns a protection of the runtime off"
        yield _finding(container, "protection-off", Level.WARNING, entry.line, words)
    if not container.no_new_privileges:
        words = "no-new-privileges is not set: set it, unless a set-user-ID program is needed"
        yield _finding(container, "privileges-gained", Level.NOTE, container.line, words)
