"""What can stop a campaign: one class for each exit code (design.md, section 7).

A launch that fails because privileges were taken away is data, never one of these.
"""

from typing import ClassVar


class CapminError(Exception):
    """Stops the command; the message is one or two lines that say what to do next."""

    exit_code: ClassVar[int] = 1


class UsageError(CapminError):
    """The command line, a file named on it, or the place for the output is not usable."""

    exit_code = 2


class ImageError(UsageError):
    """The image cannot be found, read, or used in the way asked for."""


class BaselineError(CapminError):
    """The scenarios fail even with every privilege that the search may use."""

    exit_code = 3


class EngineError(CapminError):
    """The engine itself is broken or missing: nothing may be judged from this."""

    exit_code = 4


class Unconfirmed(CapminError):
    """An answer was written, but it did not hold up when it was launched for real."""

    exit_code = 5


class BudgetSpent(CapminError):
    """The budget ran out before the search was done; the best found so far is kept."""

    exit_code = 5


class Interrupted(CapminError):
    """The user stopped the campaign; it can be resumed."""

    exit_code = 130
