"""What a profile lacks, where it does not hold: found by experiment.

Many calls are denied in any launch, and most do no harm: which denial broke it cannot be read off a list. So
what was denied is granted in addition until the tests pass, and what is superfluous of that is taken away
again. What is left is what the profile lacks, each with launches that failed for want of just that: more than
one, since a busy machine fails one now and then. Where each failure was believed at once, `personality` and
`socket` were once lacks of a `mkdir` on Docker, which shows no denial that would tell.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from capmin.evidence import denied_attempt, telling_line
from capmin.minimise import Minimum, Outcome, minimise
from capmin.privileges import Privilege
from capmin.privileges.capability import CAPABILITIES
from capmin.profile_files import conditional_calls
from capmin.seccomp import FLOOR
from capmin.trial import Attempt, Launch, Trial
from capmin.verification.bench import Bench, denied

MOST_ROUNDS = 12
"""How often what is denied is added: behind one denial may stand the next."""

LIKELY = 4
"""So many of the last denials are tried alone, the last one first."""

SUPPOSED_RATE = 0.05
"""The least rate of false failures that is supposed: few launches of a baseline show none below it."""

DOUBT = 0.001
"""The probability, at most, that failures by chance alone make a lack, or hide what would help."""

_Ask = Callable[[frozenset[Privilege]], Trial]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """Something that the profile has to grant in addition.

    ``attempt`` is the denied attempt on it, None where it was not seen: those of the runtime itself never
    are. ``evidence`` is the telling line of the launch that failed for want of it.
    """

    privilege: Privilege
    attempt: Attempt | None
    evidence: str


def find_lacks(
    bench: Bench, observed: Trial, most: frozenset[Privilege], flake_rate: float
) -> tuple[Lack, ...]:
    """What has to be granted in addition, of ``most``; nothing where all of that does not help.

    Args:
        bench: with the profile.
        observed: a trial with it in which denials show.
        most: the capabilities and system calls that the image usually gets.
        flake_rate: how often the tests were seen to fail by themselves.
    """
    rate = max(flake_rate, SUPPOSED_RATE)
    lacks: tuple[Lack, ...] = ()
    seen = None if bench.passes(observed) else _until_it_passes(bench, observed, most)
    if seen is not None:
        lacks = _the_one(bench, observed, seen) or tuple(
            _lacks(bench, _minimise(bench, seen, bench.observed, rate))
        )
    known = frozenset(lack.privilege for lack in lacks)
    if _ever_passes(bench, bench.as_written, known, rate):
        return lacks
    unseen = _unseen(bench, most, all_show=bench.observes_calls and (seen is not None or not known)) - known

    def ask(some: frozenset[Privilege]) -> Trial:
        return bench.as_written(known | some)

    if not _ever_passes(bench, ask, unseen, rate):
        return lacks
    return tuple(sorted((*lacks, *_lacks(bench, _minimise(bench, unseen, ask, rate))), key=_order))


def _ever_passes(bench: Bench, ask: _Ask, some: frozenset[Privilege], rate: float) -> bool:
    """Whether the tests pass with ``some`` in addition: a pass is believed, a failure only when repeated."""
    tries = math.ceil(math.log(DOUBT) / math.log(rate))
    return any(bench.passes(ask(some)) for _ in range(tries))


def _the_one(bench: Bench, observed: Trial, seen: frozenset[Privilege]) -> tuple[Lack, ...]:
    """The one privilege that is enough, if it is among the last denied: most often it is, and this is quick.

    Alone it is a minimal set, since without it the tests fail. On nginx it takes 4 trials instead of 16. Of
    several the program's first choice counts: denied accept4, nginx tries accept.
    """
    launch = observed.launches[-1]
    latest = dict.fromkeys(denial.privilege for denial in reversed(launch.denials or ()))
    likely = [privilege for privilege in latest if privilege in seen][:LIKELY]
    trials = bench.executor.map(lambda privilege: bench.observed(frozenset({privilege})), likely)
    enough = {privilege for privilege, trial in zip(likely, trials, strict=True) if bench.passes(trial)}
    wanted = [denial for denial in launch.denials or () if denial.privilege in enough]
    return (_lack(min(wanted, key=_first_s).privilege, launch),) if wanted else ()


def _first_s(attempt: Attempt) -> float:
    return attempt.first_s


def _until_it_passes(bench: Bench, trial: Trial, most: frozenset[Privilege]) -> frozenset[Privilege] | None:
    """What is denied, added until the tests pass; None where they never do."""
    added: frozenset[Privilege] = frozenset()
    for _ in range(MOST_ROUNDS):
        new = (denied(trial) & most) - added
        if not new:
            return None
        added |= new
        trial = bench.observed(added)
        if bench.passes(trial):
            return added
    return None


def _unseen(bench: Bench, most: frozenset[Privilege], *, all_show: bool) -> frozenset[Privilege]:
    """What the profile may lack without a denial to be seen.

    An observed launch is granted the floor and is free of the profile's own conditions on arguments; beyond
    these everything counts where an engine shows no denials.
    """
    document = bench.wish.given.seccomp
    capabilities = most & frozenset(CAPABILITIES)
    if document is None:
        return capabilities - bench.grant.capabilities
    conditional = conditional_calls(document)
    free = (bench.wish.given.calls(bench.engine.architecture) or frozenset()) - conditional
    hidden = (FLOOR | conditional) - free
    return hidden if all_show else (most - bench.grant.capabilities - free) | hidden


def _minimise(
    bench: Bench, candidates: frozenset[Privilege], ask: _Ask, flake_rate: float
) -> Minimum[Privilege]:
    """The least of the candidates that helps; each was seen to be missed so often that it is no chance."""

    def outcome(some: frozenset[Privilege]) -> Outcome[Privilege]:
        trial = ask(some)
        denials = trial.launches[-1].denials
        # Of several denials of one privilege the last counts.
        latest = None if denials is None else reversed(dict.fromkeys(d.privilege for d in reversed(denials)))
        return Outcome(
            passes=bench.passes(trial),
            denied=None if latest is None else tuple(name for name in latest if name in candidates),
            trial=trial.number,
        )

    return minimise(
        sorted(candidates, key=lambda name: (name not in CAPABILITIES, name)),
        outcome,
        executor=bench.executor,
        workers=bench.wish.workers,
        flake_rate=flake_rate,
        confidence=1 - DOUBT,
        known=[(candidates, Outcome(passes=True))],
        blind=() if bench.engine.observes_capabilities else frozenset(CAPABILITIES) & candidates,
    )


def _lacks(bench: Bench, minimum: Minimum[Privilege]) -> Iterable[Lack]:
    found = []
    for privilege in minimum.kept:
        proof = minimum.proofs.get(privilege)
        number = None if proof is None else proof.failures[-1]
        if number is None:
            found.append(Lack(privilege=privilege, attempt=None, evidence=""))
            continue
        found.append(_lack(privilege, bench.trials[number].launches[-1]))
    return sorted(found, key=_order)


def _lack(privilege: Privilege, launch: Launch) -> Lack:
    attempt = denied_attempt(launch, privilege)
    return Lack(privilege=privilege, attempt=attempt, evidence=telling_line(launch))


def _order(lack: Lack) -> tuple[bool, str]:
    """Capabilities first, as everywhere."""
    return lack.privilege not in CAPABILITIES, lack.privilege
