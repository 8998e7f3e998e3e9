"""Find, by experiment, the smallest set of privileges that a container image works with."""

__version__ = "0.1.0"
