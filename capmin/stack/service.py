"""The services of a stack: what a workload says of how its image runs, and what it was found to need."""

from collections.abc import Iterable
from dataclasses import dataclass

from capmin.engines.image_reference import source_of, with_tag
from capmin.errors import UsageError
from capmin.profile import Profile
from capmin.scenario import Scenario
from capmin.workload import Workload

_DAEMON = "docker-daemon:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A workload with its profile.

    ``scenario`` is the one that it runs as in: the last of the workload's that are of a service, which by
    the convention of ``workloads/README.md`` (cheapest first) is the one nearest to production.
    """

    workload: Workload
    profile: Profile
    scenario: Scenario

    @property
    def name(self) -> str:
        return self.workload.name

    @property
    def image(self) -> str:
        """What Docker finds the image by."""
        return _docker_name(self.workload.reference)

    def names_of(self, other: "Service") -> frozenset[str]:
        """What this service calls another on the network; empty where it does not know it."""
        return frozenset(
            companion.name
            for companion in self.scenario.companions
            if _docker_name(companion.image) == other.image
        )


def stack(parts: Iterable[tuple[Workload, Profile]]) -> tuple[Service, ...]:
    """The services, in the order of their start.

    Raises:
        UsageError: a profile is of another image, a workload is of no service, or is there twice.
    """
    services: list[Service] = []
    for workload, profile in parts:
        if workload.name in {service.name for service in services}:
            raise UsageError(f"{workload.name} is named twice: give each workload of a stack once")
        services.append(
            Service(workload=workload, profile=_fitting(profile, workload), scenario=_production(workload))
        )
    return tuple(services)


def _fitting(profile: Profile, workload: Workload) -> Profile:
    if source_of(workload.reference.removeprefix(_DAEMON), None) is not None:
        raise UsageError(
            f"{workload.path}: Compose finds images by their names alone, not as {workload.reference}: "
            "docker load it, and name it in [image] reference"
        )
    if _docker_name(profile.image) != _docker_name(workload.reference):
        raise UsageError(
            f"the result for {workload.name} is of {profile.image}, and the workload's image is "
            f"{workload.reference}: search it again with --workload {workload.path.parent}"
        )
    return profile


def _docker_name(reference: str) -> str:
    """A name with its tag, without the transport that says that it is the daemon's."""
    return with_tag(reference.removeprefix(_DAEMON))


def _production(workload: Workload) -> Scenario:
    of_services = [scenario for scenario in workload.scenarios if scenario.service]
    if not of_services:
        raise UsageError(
            f"{workload.path}: no scenario has service = true: a stack is of what goes on running"
        )
    return of_services[-1]
