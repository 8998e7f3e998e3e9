"""YAML as text in, plain values or values with their lines out: the one place that knows the library."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from capmin.errors import UsageError


def read_yaml_documents(text: str, name: str) -> list[Any]:
    """Every document of a file; its mappings and sequences know their lines (``.lc`` of ruamel.yaml).

    Anchors and merge keys are resolved.

    Args:
        text: what is in the file.
        name: what errors call the file.

    Raises:
        UsageError: it is not YAML; the message names file and line.
    """
    reader = YAML(typ="rt")
    # Written twice in one mapping: the runtimes that read such a file refuse it, too.
    reader.allow_duplicate_keys = False
    try:
        return list(reader.load_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{name}{line}: not YAML: {error.problem or error.context}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not YAML: {error}") from error
