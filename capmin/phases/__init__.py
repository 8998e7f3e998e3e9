"""The phases of a campaign, one a module, on a bench that they share (design.md, section 4)."""

from capmin.phases.bench import Bench
from capmin.phases.plan import Plan, Proofs, Watcher, ceiling_of

__all__ = ["Bench", "Plan", "Proofs", "Watcher", "ceiling_of"]
