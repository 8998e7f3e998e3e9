"""The algorithms by name: each a function from an inquiry to a set that passes. `certify` does the rest."""

from collections.abc import Callable, Mapping
from typing import Any

from capmin.minimise.complement_ddmin import complement_ddmin
from capmin.minimise.ddmin import ddmin
from capmin.minimise.denial_guided import denial_guided
from capmin.minimise.gbs import gbs
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.linear import linear
from capmin.minimise.outcome import E
from capmin.minimise.parallel import parallel
from capmin.minimise.probdd import probdd
from capmin.minimise.quickxplain import quickxplain

Algorithm = Callable[[Inquiry[E]], frozenset[E]]

ALGORITHMS: Mapping[str, Algorithm[Any]] = {
    "gbs": gbs,
    "parallel": parallel,
    "denial-guided": denial_guided,
    "ddmin": ddmin,
    "complement-ddmin": complement_ddmin,
    "probdd": probdd,
    "quickxplain": quickxplain,
    "linear": linear,
}
