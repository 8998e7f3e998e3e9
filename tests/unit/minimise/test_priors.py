"""Priors from counts."""

import json
from importlib.resources import files

from capmin.minimise import learn_prior
from capmin.minimise.priors import Count


def test_few_observations_are_drawn_towards_the_average() -> None:
    prior = learn_prior({"often": Count(100, 100), "once": Count(1, 1), "never": Count(0, 100)})
    assert prior("never") < prior("unheard of") < prior("once") < prior("often") < 1


def test_the_default_counts_are_consistent() -> None:
    shipped = json.loads((files("capmin.privileges") / "needed_prior.json").read_text())
    assert "CC BY 4.0" in shipped["source"]
    for needed, observed, applications in shipped["syscalls"].values():
        assert 0 <= needed <= observed
        assert 1 <= applications <= observed
