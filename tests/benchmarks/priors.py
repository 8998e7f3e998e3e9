"""The default priors, without what the application at hand contributed to them."""

import json
from collections.abc import Callable, Collection
from importlib.resources import files

from capmin.minimise import Example, learn_prior

Prior = Callable[[str], float]


def held_out(app: str, used: Collection[str]) -> Prior:
    """Priors of the corpus that ships, which know nothing of this application."""
    shipped = json.loads((files("capmin.privileges") / "needed_prior.json").read_text())
    examples = [_example(entry) for entry in shipped["corpus"] if entry["name"] != app]
    return learn_prior(examples, used)


def _example(entry: dict[str, str]) -> Example[str]:
    needed, unneeded = entry["needed"].split(), entry["unneeded"].split()
    return Example(used=frozenset([*needed, *unneeded]), needed=frozenset(needed))
