"""What tells one campaign from another, and so what one may continue from."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from capmin.errors import UsageError
from capmin.privileges import Capability
from capmin.scenario import Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignIdentity:
    """Under what the trials of a campaign are made.

    ``image_reference`` and ``options`` (JSON: how many workers, the budget) are recorded, but do not set
    campaigns apart: neither changes what a trial under a given grant says. Whatever does belongs into the
    scenario hash.
    """

    image_reference: str
    image_digest: str
    scenario_hash: str
    engine: str
    engine_version: str
    kernel: str
    architecture: str
    denied_errno: int
    ceiling: frozenset[Capability]
    capmin_version: str
    options: str = "{}"

    @property
    def key(self) -> str:
        """The same for campaigns whose trials can stand for each other's."""
        return _digest(
            [
                self.image_digest,
                self.scenario_hash,
                self.engine,
                self.engine_version,
                self.kernel,
                self.architecture,
                self.denied_errno,
                sorted(self.ceiling),
                self.capmin_version,
            ]
        )


def scenario_hash(scenarios: Iterable[Scenario]) -> str:
    """A hash of everything that the scenarios say, their order included."""
    return _digest([definition(scenario) for scenario in scenarios])


def definition(scenario: Scenario) -> str:
    """A scenario as JSON."""
    return json.dumps(asdict(scenario), sort_keys=True)


def scenario_from(document: Mapping[str, Any]) -> Scenario:
    """A scenario from its `definition`, read back.

    Raises:
        UsageError: it is none that this capmin knows.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only who reads scenarios back needs it

    try:
        return TypeAdapter(Scenario).validate_python(document)
    except ValidationError as error:
        raise UsageError(f"a scenario on record cannot be read: {error.errors()[0]['msg']}") from error


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
