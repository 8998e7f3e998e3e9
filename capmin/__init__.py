"""Find, by experiment, the smallest set of privileges that a container image works with.

`load` reads what searches have left on disk, as data frames::

    records = capmin.load("results")
    records.trials, records.launches, records.denials, records.certificate
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capmin.records import Records, load

__all__ = ["Records", "__version__", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    """`load` and `Records`, imported when they are asked for: pandas takes half a second (PEP 562)."""
    if name in ("Records", "load"):
        from capmin import records  # noqa: PLC0415 - see above

        return getattr(records, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
