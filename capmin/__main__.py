"""``python -m capmin``, for where the installed program is not on PATH."""

from capmin.cli import entry_point

entry_point()
