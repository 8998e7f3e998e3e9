"""Hold files that start containers against what their images need.

One module reads each format: Compose, Kubernetes, Quadlet, ``docker inspect``. All give `Container`, which
`capmin.check.rules` judges.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from capmin.check import compose, docker_inspect, kubernetes, quadlet
from capmin.check.container import Container
from capmin.check.finding import RULES, Finding, Level, Rule
from capmin.check.node import Node
from capmin.check.rules import check
from capmin.errors import UsageError
from capmin.profile import Profile
from capmin.yaml_files import read_yaml_documents

__all__ = ["RULES", "Container", "Finding", "Level", "Rule", "check", "check_files", "read_containers"]


def read_containers(text: str, file: str) -> tuple[Container, ...]:
    """Every container that a file starts; its format is told by what is in it.

    Raises:
        UsageError: it is none of the formats, or not as its format says.
    """
    if Path(file).suffix == ".container" or re.search(r"^\[Container\]\s*$", text, re.MULTILINE):
        return tuple(quadlet.containers(text, file))
    found: list[Container] = []
    for value in read_yaml_documents(text, file):
        if value is not None:
            found += _containers(_root(value, file))
    if not found:
        raise UsageError(f"{file} starts no container")
    return tuple(found)


def _root(value: object, file: str) -> Node:
    line = getattr(getattr(value, "lc", None), "line", 0)
    return Node(value=value, line=line + 1, file=file)


def _containers(document: Node) -> Iterable[Container]:
    value = document.value
    if isinstance(value, Mapping) and "services" in value:
        return compose.containers(document)
    if isinstance(value, Mapping) and "apiVersion" in value:
        return kubernetes.containers(document)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return docker_inspect.containers(document)
    raise document.error(
        "neither a Compose file, a Kubernetes manifest, a Quadlet unit nor the output of docker inspect"
    )


def check_files(
    texts: Mapping[str, str], profiles: Sequence[Profile], named: Mapping[str, Profile]
) -> tuple[tuple[Container, tuple[Finding, ...]], ...]:
    """Check every container of some files, in their order.

    Args:
        texts: what is in each file.
        profiles: what images need: a container is held against the one for its image.
        named: what containers of a name need, whatever their image.

    Raises:
        UsageError: a file cannot be understood, or several results are for one image.
    """
    containers = [container for file, text in texts.items() for container in read_containers(text, file)]
    # Where there is one of each, there is no doubt, whatever the image is called in a registry.
    alone = profiles[0] if len(containers) == len(profiles) == 1 and not named else None
    return tuple(
        (container, check(container, named.get(container.name) or alone or _for_image(container, profiles)))
        for container in containers
    )


def _for_image(container: Container, profiles: Sequence[Profile]) -> Profile | None:
    """The profile for a container's image: of the same name, tag and all, else of the same repository."""
    if container.image is None:
        return None
    for spelled in (_full, _repository):
        matching = [profile for profile in profiles if spelled(profile.image) == spelled(container.image)]
        if len(matching) > 1:
            raise UsageError(
                f"{container.file}:{container.line}: several results are for {container.image}: "
                f"say --against {container.name}=RESULT"
            )
        if matching:
            return matching[0]
    return None


def _full(image: str) -> str:
    """An image with what Docker leaves out: docker.io, library and latest."""
    name, at, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    if ":" not in last and not at:
        last += ":latest"
    if not slash:
        head = "docker.io/library"
    elif not re.match(r"[^/]*[.:]|localhost(/|$)", head):
        head = f"docker.io/{head}"
    return f"{head}/{last}{at}{digest}"


def _repository(image: str) -> str:
    """Without tag and digest."""
    head, _, last = _full(image).partition("@")[0].rpartition("/")
    return f"{head}/{last.partition(':')[0]}"
