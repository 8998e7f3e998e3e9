"""Profiles as files, whoever made them: what they grant, and the filter to the letter.

Four kinds are told apart by what is in them: a result of capmin (its file, or its directory with the filter
as it was written there), a seccomp profile in Docker's dialect or the OCI's, an OCI ``config.json``, and the
SeccompProfile of the security-profiles-operator. Only the first and the third say capabilities.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import system_calls

from capmin.emit.files import file_name
from capmin.errors import UsageError
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import DOCKER_DEFAULT, capability
from capmin.privileges.syscall import table
from capmin.profile import Profile, Strictness
from capmin.result import SCHEMA
from capmin.seccomp import FLOOR, Action, SeccompProfile, docker_default, resolve_docker
from capmin.yaml_files import read_yaml_documents

DOCKER_DEFAULT_NAME = "docker-default"
"""In place of a file: Docker's own default profile, as capmin ships it."""

_RESULT = "result.json"
_LETTING = frozenset({Action.ALLOW, Action.LOG})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenProfile:
    """A profile as somebody gave it.

    ``seccomp`` is None where the runtime's default filter applies; ``kind`` is what it is, in words.
    """

    source: str
    kind: str
    capabilities: frozenset[Capability]
    seccomp: SeccompProfile | None

    def calls(self, architecture: str) -> frozenset[Syscall] | None:
        """The system calls that the filter lets through, be it under conditions."""
        return None if self.seccomp is None else calls_let_through(self.seccomp, architecture)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What has to be known to read a profile; ``capabilities`` is None where the user says nothing."""

    architecture: str
    capabilities: frozenset[Capability] | None = None
    strictness: Strictness = Strictness.MINIMAL

    @property
    def usual_capabilities(self) -> frozenset[Capability]:
        """For a profile that says none."""
        return DOCKER_DEFAULT if self.capabilities is None else self.capabilities


def calls_let_through(profile: SeccompProfile, architecture: str) -> frozenset[Syscall]:
    """The calls of an architecture that a filter lets through, be it under conditions on their arguments.

    Unlike `SeccompProfile.allowed` this also knows filters that allow by default and name what they deny.
    """
    letting = {name for rule in profile.rules if rule.action in _LETTING for name in rule.names}
    if profile.default_action not in _LETTING:
        return frozenset(letting & table(architecture).keys())
    denied = {
        name
        for rule in profile.rules
        if rule.action not in _LETTING and not rule.conditions
        for name in rule.names
    }
    return frozenset(table(architecture).keys() - (denied - letting))


def conditional_calls(profile: SeccompProfile) -> frozenset[Syscall]:
    """The calls about whose arguments a filter says something."""
    return frozenset(name for rule in profile.rules if rule.conditions for name in rule.names)


def read_profile(source: str, reading: Reading) -> GivenProfile:
    """Read a profile from a file or directory, or take Docker's default by its name.

    Raises:
        UsageError: it cannot be read or used; the message says why.
    """
    if source == DOCKER_DEFAULT_NAME and not Path(source).exists():
        capabilities = reading.usual_capabilities
        return GivenProfile(
            source=source,
            kind="Docker's default profile",
            capabilities=capabilities,
            seccomp=docker_default(capabilities, reading.architecture),
        )
    path = Path(source)
    return _parse(_text(path), source, path, reading)


def parse_profile(text: str, source: str, reading: Reading) -> GivenProfile:
    """As `read_profile`, of a text; ``source`` is what errors call it."""
    return _parse(text, source, Path(source), reading)


def _parse(text: str, source: str, path: Path, reading: Reading) -> GivenProfile:
    document = _the_profile(_documents(text, source), source)
    given = _read(document, source, path, reading)
    if given.seccomp is not None:
        _check(given.seccomp, source)
    return given


def _read(document: Mapping[str, Any], source: str, path: Path, reading: Reading) -> GivenProfile:
    try:
        if document.get("schema") == SCHEMA:
            return _result(document, source, path, reading)
        if document.get("kind") == "SeccompProfile":
            return _operator(document, source, reading)
        if "ociVersion" in document:
            return _oci(document, source, reading)
        if "defaultAction" in document:
            seccomp = resolve_docker(document, reading.usual_capabilities, reading.architecture)
            kind = "seccomp profile"
            return GivenProfile(
                source=source, kind=kind, capabilities=reading.usual_capabilities, seccomp=seccomp
            )
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{source}: damaged: {type(error).__name__}: {error}") from error
    raise UsageError(
        f"{source} is no profile that capmin knows: give a result.json or its directory, a Docker seccomp "
        "profile, an OCI config.json, or a SeccompProfile of security-profiles-operator"
    )


def _text(path: Path) -> str:
    file = path / _RESULT if path.is_dir() else path
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no profile at {path}: there is no {file}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error


def _documents(text: str, source: str) -> Sequence[Mapping[str, Any]]:
    if text.lstrip().startswith("{"):
        try:
            found = [json.loads(text)]
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{source}: not JSON: {error}") from error
    else:
        found = read_yaml_documents(text, source)
    return [document for document in found if isinstance(document, Mapping)]


def _the_profile(documents: Sequence[Mapping[str, Any]], source: str) -> Mapping[str, Any]:
    """The one document that is meant: a file of the operator may hold others, and base profiles."""
    if len(documents) == 1:
        return documents[0]
    profiles = [document for document in documents if document.get("kind") == "SeccompProfile"]
    bases = {_spec(document).get("baseProfileName") for document in profiles}
    meant = [document for document in profiles if _name(document) not in bases]
    if len(meant) != 1:
        names = ", ".join(str(_name(document)) for document in meant) or "none"
        raise UsageError(
            f"{source} has to hold one SeccompProfile, and has: {names}; put it in a file of its own"
        )
    by_name = {_name(document): _spec(document) for document in profiles}
    return {**meant[0], _BASES: by_name}


_BASES = "\0bases"
"""Where `_the_profile` leaves the other profiles of the same file: a key that no file can have."""


def _spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = document.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _name(document: Mapping[str, Any]) -> object:
    metadata = document.get("metadata")
    return metadata.get("name") if isinstance(metadata, Mapping) else None


def _result(document: Mapping[str, Any], source: str, path: Path, reading: Reading) -> GivenProfile:
    """What a result found; of a directory the filter is the file in it, which is what would be deployed."""
    profile = Profile.from_result(document).at(reading.strictness)
    if profile.architecture != reading.architecture:
        raise UsageError(f"made for {profile.architecture}, and containers here are {reading.architecture}")
    if reading.capabilities is not None and profile.capabilities is not None:
        raise UsageError("says its capabilities itself: leave out --capabilities")
    capabilities = profile.capabilities if profile.capabilities is not None else reading.usual_capabilities
    seccomp = None if profile.required is None else profile.seccomp()
    if seccomp is not None and path.is_dir():
        seccomp = _as_written(path / file_name("docker-seccomp", profile.strictness), seccomp, reading)
    return GivenProfile(source=source, kind="result of capmin", capabilities=capabilities, seccomp=seccomp)


def _as_written(file: Path, meant: SeccompProfile, reading: Reading) -> SeccompProfile:
    if not file.exists():
        return meant
    written = read_profile(str(file), reading).seccomp
    if written is None:
        return meant
    differing = calls_let_through(written, reading.architecture) ^ calls_let_through(
        meant, reading.architecture
    )
    if differing:
        _log.warning(
            "%s is not what its result.json says: they differ in %s; the file is what counts",
            file,
            " ".join(sorted(differing)),
        )
    return written


def _oci(document: Mapping[str, Any], source: str, reading: Reading) -> GivenProfile:
    if reading.capabilities is not None:
        raise UsageError("says its capabilities itself: leave out --capabilities")
    bounding = document.get("process", {}).get("capabilities", {}).get("bounding") or ()
    seccomp = document.get("linux", {}).get("seccomp")
    return GivenProfile(
        source=source,
        kind="OCI configuration",
        capabilities=frozenset(capability(name) for name in bounding),
        seccomp=None if seccomp is None else SeccompProfile.from_oci(seccomp),
    )


def _operator(document: Mapping[str, Any], source: str, reading: Reading) -> GivenProfile:
    """A SeccompProfile, with the calls of its base as the operator adds them.

    Source: security-profiles-operator, internal/pkg/daemon/seccompprofile (unionSyscalls).
    """
    spec = _spec(document)
    rules = [*(spec.get("syscalls") or ())]
    base = spec.get("baseProfileName")
    if base:
        rules += _base_rules(str(base), document.get(_BASES) or {})
    flat = {"defaultAction": spec["defaultAction"], "syscalls": rules}
    if spec.get("architectures"):
        flat["architectures"] = spec["architectures"]
    return GivenProfile(
        source=source,
        kind="SeccompProfile",
        capabilities=reading.usual_capabilities,
        seccomp=resolve_docker(flat, reading.usual_capabilities, reading.architecture),
    )


_RUNC_BASE = FLOOR - {"exit", "fchown"}
_CRUN_BASE = frozenset(
    (
        "access arch_prctl brk capset chdir chmod chown close close_range dup2 execve exit_group fchdir "
        "fchown fstat fstatfs getcwd getegid geteuid getgid getuid ioctl lseek mkdirat mknodat mmap mount "
        "mprotect nanosleep newfstatat openat openat2 pivot_root prctl pselect6 read readlink rt_sigaction "
        "rt_sigprocmask set_tid_address setgroups sethostname setns setresgid setresuid setsid statfs statx "
        "symlinkat umask umount2 unshare write"
    ).split()
)
_KNOWN_BASES: Mapping[str, frozenset[str]] = {"runc-v1.4.2": frozenset(_RUNC_BASE), "crun-v1.26": _CRUN_BASE}
"""The operator's examples/baseprofile-runc.yaml and baseprofile-crun.yaml of v1.0.0."""


def _base_rules(name: str, others: Mapping[object, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if name in others:
        return list(others[name].get("syscalls") or ())
    if name not in _KNOWN_BASES:
        known = ", ".join(sorted(_KNOWN_BASES))
        raise UsageError(
            f"its base profile {name!r} is not known here (known are {known}): "
            "put that SeccompProfile into the same file"
        )
    return [{"names": sorted(_KNOWN_BASES[name]), "action": Action.ALLOW.value}]


def _check(profile: SeccompProfile, source: str) -> None:
    """Refuse what cannot be launched, and tell of names that no kernel has: runtimes drop them silently."""
    actions = {profile.default_action, *(rule.action for rule in profile.rules)}
    if Action.NOTIFY in actions or profile.listener_path is not None:
        raise UsageError(
            f"{source} notifies a listener ({Action.NOTIFY.value}): without it the container would hang"
        )
    known = system_calls.syscalls().names()
    unknown = sorted({name for rule in profile.rules for name in rule.names if name not in known})
    if unknown:
        _log.warning("%s names what is no system call anywhere: %s", source, " ".join(unknown))
