"""Findings as text, JSON, SARIF 2.1.0 and JUnit XML."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from capmin import __version__
from capmin.check.container import Container
from capmin.check.finding import RULES, Finding, Level, Rule

Checked = Sequence[tuple[Container, tuple[Finding, ...]]]
"""Containers, each with what was found in it."""

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _all(checked: Checked) -> list[Finding]:
    return [finding for _, findings in checked for finding in findings]


def text(checked: Checked) -> str:
    """A line for each finding, as compilers write them, so that editors find the place; then the count."""
    findings = _all(checked)
    lines = [
        f"{found.file}:{found.line}: {found.level.word}: {found.container}: {found.message} "
        f"[{found.rule.identifier} {found.rule.name}]"
        for found in findings
    ]
    counts = [
        f"{count} {level.word}{'' if count == 1 else 's'}"
        for level in sorted(Level, reverse=True)
        if (count := sum(found.level is level for found in findings))
    ]
    containers = f"{len(checked)} container{'' if len(checked) == 1 else 's'}"
    return "\n".join([*lines, f"{', '.join(counts) or 'nothing found'} in {containers}"])


def as_json(checked: Checked) -> str:
    """Findings as capmin's own document, with every privilege named."""
    document = {
        "schema": "capmin/check/1",
        "containers": [
            {"file": container.file, "line": container.line, "name": container.name, "image": container.image}
            for container, _ in checked
        ],
        "findings": [
            {
                "rule": found.rule.identifier,
                "name": found.rule.name,
                "level": found.level.word,
                "file": found.file,
                "line": found.line,
                "container": found.container,
                "message": found.message,
                "privileges": list(found.privileges),
            }
            for found in _all(checked)
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def sarif(checked: Checked) -> str:
    """SARIF 2.1.0, as code scanning takes it; every rule is described, found or not."""
    rules = list(RULES.values())
    driver = {
        "name": "capmin",
        "version": __version__,
        "rules": [_sarif_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(found, rules.index(found.rule)) for found in _all(checked)],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.identifier,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": f"{rule.says}."},
        "properties": {"security-severity": f"{rule.severity:.1f}", "tags": ["security", "container"]},
    }


def _sarif_result(found: Finding, index: int) -> dict[str, Any]:
    key = "\0".join((found.rule.identifier, found.file, found.container, *found.privileges, found.message))
    return {
        "ruleId": found.rule.identifier,
        "ruleIndex": index,
        "level": found.level.word,
        "message": {"text": f"{found.container}: {found.message}."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(found.file)},
                    "region": {"startLine": found.line},
                },
                "logicalLocations": [{"name": found.container, "kind": "module"}],
            }
        ],
        "partialFingerprints": {"capmin/v1": hashlib.sha256(key.encode()).hexdigest()},
    }


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def junit(checked: Checked) -> str:
    """JUnit XML: a suite a container, a test case a rule; findings of level note are no failures."""
    failures = sum(found.level > Level.NOTE for found in _all(checked))
    root = ET.Element(
        "testsuites",
        name="capmin check",
        tests=str(len(checked) * len(RULES)),
        failures=str(failures and len(_failing(checked))),
        errors="0",
    )
    for container, findings in checked:
        _suite(root, container, findings)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _failing(checked: Checked) -> set[tuple[int, str]]:
    return {
        (number, found.rule.name)
        for number, (_, findings) in enumerate(checked)
        for found in findings
        if found.level > Level.NOTE
    }


def _suite(root: ET.Element, container: Container, findings: Sequence[Finding]) -> None:
    failing = [found for found in findings if found.level > Level.NOTE]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_xml(f"{container.file}: {container.name}"),
        tests=str(len(RULES)),
        failures=str(len({found.rule.name for found in failing})),
        errors="0",
        skipped="0",
    )
    for rule in RULES.values():
        case = ET.SubElement(suite, "testcase", classname=_xml(container.name or "container"), name=rule.name)
        mine = [found for found in failing if found.rule is rule]
        if mine:
            lines = [f"{found.file}:{found.line}: {found.message}" for found in mine]
            failure = ET.SubElement(case, "failure", type=rule.identifier, message=_xml(mine[0].message))
            failure.text = _xml("\n".join(lines))


def _xml(words: str) -> str:
    """Without what XML 1.0 cannot hold, not even escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", words)


REPORTS: Mapping[str, Callable[[Checked], str]] = MappingProxyType(
    {"text": text, "json": as_json, "sarif": sarif, "junit": junit}
)
