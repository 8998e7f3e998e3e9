"""Play a scenario on an engine under a grant: its phases, its probes, and what was seen of the service."""

from capmin.play.player import play
from capmin.play.stage import Stage, stage_for

__all__ = ["Stage", "play", "stage_for"]
