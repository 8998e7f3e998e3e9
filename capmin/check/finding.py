"""What a check finds, and the rules by which."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad; the words are SARIF's."""

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule; ``severity`` is 0 to 10, as code scanning shows it (SARIF's ``security-severity``).

    Those numbered from 1 follow from the result: the tests pass without. Those from 101 do not: the tests
    were run without, but say nothing about what else the container is for.
    """

    number: int
    name: str
    says: str
    severity: float

    @property
    def identifier(self) -> str:
        return f"CAPMIN{self.number:03}"


_RULES = (
    Rule(
        number=1, name="privileged", says="A privileged container has every privilege there is", severity=9.5
    ),
    Rule(
        number=2,
        name="capability-added",
        says="A capability is added that the tests pass without",
        severity=6.0,
    ),
    Rule(
        number=3,
        name="default-capabilities",
        says="Capabilities are left that the runtime grants by itself and the tests pass without",
        severity=5.0,
    ),
    Rule(number=4, name="seccomp-off", says="No system call is filtered", severity=8.0),
    Rule(
        number=5,
        name="seccomp-default",
        says="The runtime's default filter allows system calls that the tests pass without",
        severity=4.0,
    ),
    Rule(
        number=6,
        name="seccomp-wider",
        says="The filter allows system calls that the tests pass without",
        severity=4.0,
    ),
    Rule(number=101, name="host-namespace", says="A namespace is shared with the host", severity=7.0),
    Rule(
        number=102,
        name="runtime-socket",
        says="The socket of a container runtime is given away",
        severity=9.5,
    ),
    Rule(
        number=103, name="host-path", says="A directory of the host's own system is given away", severity=7.0
    ),
    Rule(number=104, name="device", says="A device of the host is given away", severity=6.0),
    Rule(number=105, name="protection-off", says="A protection of the runtime is turned off", severity=6.0),
    Rule(
        number=106,
        name="privileges-gained",
        says="Programs may gain privileges: no-new-privileges is not set",
        severity=3.0,
    ),
    Rule(
        number=201, name="no-result", says="There is no result for the image to check against", severity=0.0
    ),
    Rule(
        number=202,
        name="filter-not-read",
        says="The filter cannot be read here, so it is not checked",
        severity=0.0,
    ),
    Rule(
        number=203,
        name="privilege-missing",
        says="A privilege that the tests need is not granted",
        severity=0.0,
    ),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _RULES}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something in a file, at a line. ``privileges`` are those that it is about."""

    rule: Rule
    level: Level
    file: str
    line: int
    container: str
    message: str
    privileges: tuple[str, ...] = ()
