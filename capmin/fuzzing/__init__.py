"""Whether an answer is what it says, all around it: grants at random, and the smallest that disagree."""

from capmin.fuzzing.counterexample import Counterexample, Kind, read_counterexample, write_counterexample
from capmin.fuzzing.hunt import Hunt, hunt
from capmin.fuzzing.origin import Origin, find_origin
from capmin.fuzzing.question import Question, Reach
from capmin.fuzzing.replay import Replay, replay
from capmin.fuzzing.tries import Budget, Tries

__all__ = [
    "Budget", "Counterexample", "Hunt", "Kind", "Origin", "Question", "Reach", "Replay", "Tries",
    "find_origin", "hunt", "read_counterexample", "replay", "write_counterexample",
]  # fmt: skip
