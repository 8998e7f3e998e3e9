"""What a result does not say of its search, from the store beside it: what was launched, and its ceiling."""

from dataclasses import dataclass
from pathlib import Path

from capmin.privileges import Capability
from capmin.recall import Document
from capmin.scenario import Scenario
from capmin.store.columns import StoredCampaign, reading
from capmin.store.identity import scenario_from


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """How the image was launched and judged, and the capabilities that could be granted."""

    scenarios: tuple[Scenario, ...]
    ceiling: frozenset[Capability]


def find_origin(document: Document, result: Path) -> Origin | None:
    """The search that a result comes from; None where there is no store beside it, or none of its image.

    Raises:
        UsageError: the store cannot be read.
    """
    directory = result if result.is_dir() else result.parent
    path = directory / str(document.get("files", {}).get("store", "trials.sqlite"))
    if not path.exists():
        return None
    with reading(path) as reader:
        campaign = _of(document, reader.campaigns())
        if campaign is None:
            return None
        scenarios = tuple(scenario_from(each) for each in reader.scenarios(campaign.row))
    return Origin(scenarios=scenarios, ceiling=campaign.ceiling)


def _of(document: Document, campaigns: tuple[StoredCampaign, ...]) -> StoredCampaign | None:
    """The one that has this result on record; one that stopped early has none, so else the last."""
    digest = document["image"]["digest"]
    same = [campaign for campaign in campaigns if campaign.image_digest == digest]
    exact = [campaign for campaign in same if campaign.result == document]
    return next(reversed(exact or same), None)
