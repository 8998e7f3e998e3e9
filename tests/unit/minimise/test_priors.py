"""Priors from examples."""

import json
from importlib.resources import files

import pytest

from capmin.minimise import Example, learn_prior


def example(needed: str, unneeded: str = "") -> Example[str]:
    return Example(used=frozenset(needed + unneeded), needed=frozenset(needed))


def test_few_observations_are_drawn_towards_the_average() -> None:
    examples = [example("ab", "c"), *[example("a", "c")] * 99]
    prior = learn_prior(examples, "abcd")
    assert prior("c") < prior("d") < prior("b") < prior("a") < 1


def test_what_resembles_the_used_set_tells_most() -> None:
    alike, other = example("abcd", "x"), example("x", "efghijk")
    examples = [alike, other]
    assert learn_prior(examples, "abcdx")("x") < 0.5 < learn_prior(examples, "xefghijk")("x")


@pytest.mark.parametrize("used", ["", "z"])
def test_where_nothing_is_alike_all_count(used: str) -> None:
    prior = learn_prior([example("a"), example("", "a")], used)
    assert prior("a") == pytest.approx(0.5)


def test_the_examples_that_ship_are_consistent() -> None:
    shipped = json.loads((files("capmin.privileges") / "needed_prior.json").read_text())
    assert "CC BY 4.0" in shipped["source"]
    for entry in (*shipped["corpus"], *shipped["ours"]):
        needed, unneeded = entry["needed"].split(), entry["unneeded"].split()
        assert entry["name"]
        assert needed == sorted(set(needed))
        assert unneeded == sorted(set(unneeded))
        assert not set(needed) & set(unneeded)
