"""What a file says, read back, is what the profile says: for every format, and every profile that it takes.

- Capabilities are those granted; system calls those allowed, with the very rules where the format has them.
- The image's name comes through as it is, whatever is in it, where the format names the image.
- What the tests had mounted is mounted likewise, whatever is in a path, where the format says what is.
- A profile that lacks what a format is about gives an error, and no file.
- The head is there, and no line of it can end the comment.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capmin.emit import EMITTERS, emit
from capmin.emit.provenance import lines, one_line
from capmin.errors import UsageError
from capmin.mounting import MountKind, ServiceMount
from capmin.portable import Runtime
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT
from capmin.privileges.syscall import table
from capmin.profile import Profile, Strictness
from capmin.seccomp import FLOOR, docker_default
from tests.unit.emit.readers import READERS, Read

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
# Names that both architectures have: others are renamed, which the unit tests look at.
CALLS = sorted(table("arm64"))
NEEDS_CALLS = {"docker-seccomp", "security-profiles-operator"}
NEEDS_CAPABILITIES = {"apparmor"}
LEFT_TO_THE_RUNTIME = {"docker-run", "compose", "kubernetes", "podman-labels"}
FILTERS = {"docker-seccomp", "security-profiles-operator", "podman-labels", "oci"}


def subsets(names: Any) -> Any:  # noqa: ANN401 - of a NewType
    return st.none() | st.frozensets(st.sampled_from(sorted(names)))


PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map("/{}".format)
TMPFS = st.builds(ServiceMount, kind=st.just(MountKind.TMPFS), target=PATHS)
VOLUMES = st.builds(
    ServiceMount,
    kind=st.just(MountKind.VOLUME),
    target=PATHS,
    source=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]*", fullmatch=True),
    read_only=st.booleans(),
)
BINDS = st.builds(
    ServiceMount, kind=st.just(MountKind.BIND), target=PATHS, source=PATHS, read_only=st.booleans()
)
PROFILES = st.builds(
    Profile,
    image=TEXT,
    digest=TEXT,
    architecture=st.just("x86_64"),
    capabilities=subsets(CAPABILITIES),
    required=subsets(CALLS),
    observed=st.frozensets(st.sampled_from(CALLS)),
    floor=st.just(FLOOR),
    denied_errno=st.sampled_from([1, 38]),
    searched_by=TEXT,
    user=st.sampled_from(["", "0", "root", "1000", "1000:100", "www-data"]),
    mounts=st.lists(TMPFS | VOLUMES | BINDS, max_size=3, unique_by=lambda mount: mount.target).map(tuple),
    strictness=st.sampled_from(Strictness),
    runtime=st.sampled_from(Runtime),
    targets=st.sampled_from([(), ("x86_64",), ("x86_64", "arm64")]),
    no_new_privileges=st.booleans(),
)


def refused(profile: Profile, file_format: str) -> bool:
    """Whether the profile has nothing to say in a format, or what it forbids."""
    no_calls, no_capabilities = profile.required is None, profile.capabilities is None
    return (
        (file_format in NEEDS_CALLS and no_calls)
        or (file_format in NEEDS_CAPABILITIES and no_capabilities)
        or (file_format == "podman-labels" and no_calls and no_capabilities)
        or (file_format == "kubernetes" and profile.no_new_privileges and "CAP_SYS_ADMIN" in profile.granted)
    )


@pytest.mark.parametrize("file_format", sorted(EMITTERS))
@settings(deadline=None, max_examples=40)  # the first example reads the tables
@given(profile=PROFILES)
def test_what_is_read_back_is_what_was_meant(file_format: str, profile: Profile) -> None:
    if refused(profile, file_format):
        with pytest.raises(UsageError):
            emit(profile, file_format)
        return
    text = emit(profile, file_format)
    read = READERS[file_format](text)
    check_capabilities(read, profile, file_format)
    check_calls(read, profile, file_format)
    if read.image is not None:
        assert read.image == (one_line(profile.image) if file_format == "quadlet" else profile.image)
    if read.no_new_privileges is not None:
        assert read.no_new_privileges == profile.no_new_privileges
    if read.mounts is not None:
        assert read.mounts == profile.mounts
    check_head(text, profile, file_format)


def check_capabilities(read: Read, profile: Profile, file_format: str) -> None:
    if file_format in FILTERS - {"podman-labels", "oci"}:
        assert read.capabilities is None
    elif file_format == "podman-labels":
        # A label can only ask for less than Podman's default, of which these three are not.
        beyond = profile.granted - (DOCKER_DEFAULT - {"CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"})
        assert read.capabilities == (None if beyond or profile.capabilities is None else profile.granted)
    elif file_format in LEFT_TO_THE_RUNTIME:
        assert read.capabilities == profile.capabilities
    else:
        assert read.capabilities == profile.granted


def check_calls(read: Read, profile: Profile, file_format: str) -> None:
    if profile.syscalls is None:
        default = docker_default(profile.granted, "x86_64").to_oci()
        assert (None if read.rules is None else read.rules.to_oci()) == (
            default if file_format == "oci" else None
        )
        return
    if file_format in FILTERS:
        assert read.rules is not None
        mine, meant = read.rules.to_oci(), profile.seccomp().to_oci()
        assert mine["syscalls"] == meant["syscalls"]
        assert mine["defaultAction"] == meant["defaultAction"]
    if read.calls is not None:
        assert read.calls == profile.syscalls


def check_head(text: str, profile: Profile, file_format: str) -> None:
    if file_format in ("docker-seccomp", "oci"):
        return  # inside JSON, where a string has no end but its own
    head = text.splitlines()[1 if text.startswith("#!") else 0 :]
    assert [line.removeprefix("# ") for line in head[: len(lines(profile))]] == list(lines(profile))
