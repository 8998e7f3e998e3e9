"""An answer checked by brute force: it passes, and without any single one of its privileges it does not.

Nothing of the search is used: each grant is launched by the engine, and its launch judged.
"""

import errno
from collections import Counter
from dataclasses import dataclass, field, replace

from capmin.engines import Engine, Observe
from capmin.grant import Grant
from capmin.judge import Stage, Usual, judge, limit_for, play, slowness, storms, usual_of
from capmin.play import stage_for
from capmin.privileges import Privilege, Syscall
from capmin.scenario import Scenario
from capmin.trial import Launch, Verdict

LAUNCHES = 3
"""An answer passes as often as this."""

LAUNCHES_WITHOUT = 10
"""What can be taken away passes so often without it, and well.

Where processes race, a call may be needed in one launch and not in another. Then it is needed. A storm
depends on time, too: rsync denied clock_nanosleep asks for it again 3 to 7,000 times.
"""

LONGEST_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What brute force says of one answer.

    ``stormy`` is what sets off a storm of denials under the answer itself, which is then no good one.
    ``removable`` are the privileges without which all launches pass, and pass well; ``degraded`` those
    without which they pass, but slowly or in a storm.
    """

    works: bool
    stormy: frozenset[Privilege] = frozenset()
    removable: frozenset[Privilege] = frozenset()
    degraded: frozenset[Privilege] = frozenset()

    @property
    def right(self) -> bool:
        return self.works and not self.stormy and not self.removable


@dataclass(kw_only=True)
class BruteCheck:
    """Checks answers to one scenario; ``everything`` is the grant that the search began with."""

    engine: Engine
    image: str
    scenario: Scenario
    everything: Grant
    stage: Stage = field(init=False)
    usual: Usual = field(init=False)

    def __post_init__(self) -> None:
        image = self.engine.image(self.image)
        stage = stage_for(self.engine, self.scenario, image, denied_errno=errno.ENOSYS, limit_s=LONGEST_S)
        self.stage = stage
        usual = usual_of(self._launch(self.everything) for _ in range(LAUNCHES))
        self.usual = replace(usual, uses=self._uses())
        limit_s = limit_for(usual.slowest_s[self.scenario.name], LONGEST_S)
        self.stage = replace(stage, limit_s=limit_s)

    def check(self, answer: Grant, kept: frozenset[Privilege]) -> Checked:
        """Launch an answer, and it without each of the privileges it is said to need.

        The answer itself is launched with the very filter that would be written, unobserved.
        """
        launches = [self._launch(answer) for _ in range(LAUNCHES)]
        if not all(self._passes(launch) for launch in launches):
            return Checked(works=False)
        without = {name: self._without(answer, name) for name in sorted(kept)}
        return Checked(
            works=True,
            stormy=frozenset(storms(self._launch(answer, self._watching(answer)), self.usual)),
            removable=frozenset(name for name, said in without.items() if said == "passes"),
            degraded=frozenset(name for name, said in without.items() if said == "degraded"),
        )

    def _without(self, answer: Grant, name: Privilege) -> str:
        """ "passes", "degraded" or "breaks"; one launch of several that does not pass well decides."""
        for _ in range(LAUNCHES_WITHOUT):
            launch = self._launch(answer.without(frozenset({name})), self._watching(answer))
            if not self._passes(launch):
                return "breaks"
            if storms(launch, self.usual) or slowness(launch, self.usual):
                return "degraded"
        return "passes"

    def _watching(self, answer: Grant) -> Observe:
        return Observe.NOTHING if answer.syscalls is None else Observe.DENIALS

    def _passes(self, launch: Launch) -> bool:
        return judge(launch, self.usual)[0] is Verdict.WORKS

    def _uses(self) -> dict[Syscall, int]:
        """How often a launch makes each call, above the floor."""
        counts = Counter[Syscall]()
        for attempt in self._launch(self.everything.with_syscalls(()), Observe.USES).attempts or ():
            if attempt.syscall == attempt.privilege:
                counts[attempt.syscall] += attempt.count
        return counts

    def _launch(self, grant: Grant, observe: Observe = Observe.NOTHING) -> Launch:
        return play(self.engine, self.scenario, replace(self.stage, observe=observe), grant)
