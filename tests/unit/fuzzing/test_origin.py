"""A result and the store beside it: what was launched comes back as it was said."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from capmin.errors import UsageError
from capmin.fuzzing import find_origin
from capmin.scenario import HttpProbe, Phase, Place, Ready, Scenario, Setting, TcpProbe
from capmin.store import Status, Store
from capmin.store.identity import definition, scenario_from
from capmin.workload import load_workload
from tests.unit.store_writer import identity

ROOT = Path(__file__).parents[3]
RICH = Scenario(
    service=True,
    test_in=Place.INSIDE,
    test=("true", "that is"),
    probes=(HttpProbe(url="http://127.0.0.1/", headers=(("a", "b"),)), TcpProbe(port=1, expect="x")),
    phases=(Phase.TEST, Phase.RESTART),
    ready=Ready(port=80),
    setting=Setting(volumes=(("data", "/data"),)),
)


@pytest.mark.parametrize("scenario", [RICH, *load_workload(ROOT / "workloads" / "nginx").scenarios])
def test_scenarios_come_back_equal(scenario: Scenario) -> None:
    assert scenario_from(json.loads(definition(scenario))) == scenario


def test_a_scenario_of_another_version_is_a_mistake_to_tell() -> None:
    with pytest.raises(UsageError, match="a scenario on record cannot be read"):
        scenario_from({**asdict(RICH), "phases": ["dance"]})


def test_the_search_of_a_result_is_found_among_others(tmp_path: Path) -> None:
    one, other = identity("a"), identity("b")
    scenarios = [Scenario(test=(name,)) for name in ("first", "second", "third")]
    document = {"image": {"digest": one.image_digest}, "number": 2}
    with Store(tmp_path / "trials.sqlite") as store:
        for number, (who, scenario) in enumerate(zip((one, one, other), scenarios, strict=True), start=1):
            store.campaign(who, scenarios=[scenario]).finish(Status.DONE, {**document, "number": number})
        store.campaign(one, scenarios=[RICH])
    found = find_origin(document, tmp_path)
    assert found is not None
    assert (found.scenarios, found.ceiling) == ((scenarios[1],), one.ceiling)
    stopped_early = find_origin({**document, "number": 9}, tmp_path)
    assert stopped_early is not None
    assert stopped_early.scenarios == (RICH,)
    assert find_origin({"image": {"digest": "sha256:none"}}, tmp_path) is None
    assert find_origin(document, tmp_path / "nowhere" / "result.json") is None
