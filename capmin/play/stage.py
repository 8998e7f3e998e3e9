"""How scenarios are played: images, limits, and what is observed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from capmin.engines import Engine, Image, Observe
from capmin.privileges import Syscall
from capmin.scenario import Scenario
from capmin.seccomp import SeccompProfile


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """How a scenario is played: the images found for it, and what is the same for all scenarios.

    ``limit_s`` holds for each phase that ``phase_limits_s`` does not name; on a busy machine they are
    extended, up to ``longest_s``. A service in which more than
    ``most_processes`` were seen is in a crash loop. ``seccomp_profile`` replaces the filter made from the
    grant, as confirmation does.
    """

    image: Image
    test_image: Image
    companion_images: tuple[Image, ...] = ()
    denied_errno: int
    limit_s: float
    longest_s: float = math.inf
    phase_limits_s: Mapping[str, float] = field(default_factory=dict)
    most_processes: int | None = None
    observe: Observe = Observe.NOTHING
    observe_capabilities: bool = False
    watched: frozenset[Syscall] = frozenset()
    seccomp_profile: SeccompProfile | None = field(default=None)


def stage_for(
    engine: Engine, scenario: Scenario, image: Image, *, denied_errno: int, limit_s: float
) -> Stage:
    """Find the images of a scenario.

    Raises:
        ImageError: there is none of a name.
    """
    return Stage(
        image=image,
        test_image=image if scenario.test_image is None else engine.image(scenario.test_image),
        companion_images=tuple(engine.image(companion.image) for companion in scenario.companions),
        denied_errno=denied_errno,
        limit_s=limit_s,
        longest_s=limit_s,
    )
