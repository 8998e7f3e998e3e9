"""From what a scenario says of a container to what an engine launches."""

from collections.abc import Mapping
from pathlib import Path

from capmin.engines import Container, Image, LaunchSpec, Mount, Volume
from capmin.play.stage import Stage
from capmin.scenario import Command, Scenario, Setting


def volume_names(scenario: Scenario, image: Image) -> tuple[str, ...]:
    """The volumes that a launch of a scenario needs; the image's own are called by their paths."""
    settings = (scenario.setting, *(companion.setting for companion in scenario.companions))
    named = (name for each in settings for name, _ in (*each.volumes, *each.read_only_volumes))
    return tuple(dict.fromkeys((*named, *_declared(scenario.setting, image))))


def searched_spec(
    scenario: Scenario,
    stage: Stage,
    volumes: Mapping[str, Volume],
    *,
    argv: Command | None = None,
    network: Container | None = None,
) -> LaunchSpec:
    """What to launch of the searched image."""
    setting = scenario.setting
    declared = tuple(Mount(target=path, source=volumes[path]) for path in _declared(setting, stage.image))
    return LaunchSpec(
        image=stage.image,
        argv=argv,
        arguments=setting.arguments,
        environment=setting.environment,
        user=setting.user,
        mounts=(*mounts_of(setting, volumes), *declared),
        names=(scenario.alias,) if scenario.alias else (),
        network=network,
        observe=stage.observe,
        observe_capabilities=stage.observe_capabilities,
        watched=stage.watched,
        denied_errno=stage.denied_errno,
        seccomp_profile=stage.seccomp_profile,
    )


def mounts_of(setting: Setting, volumes: Mapping[str, Volume]) -> tuple[Mount, ...]:
    return (
        *(Mount(target=path, source=volumes[name]) for name, path in setting.volumes),
        *(
            Mount(target=path, source=volumes[name], read_only=True)
            for name, path in setting.read_only_volumes
        ),
        *(Mount(target=path, source=None) for path in setting.tmpfs),
        *(Mount(target=file.target, source=Path(file.source), read_only=True) for file in setting.files),
    )


def _declared(setting: Setting, image: Image) -> tuple[str, ...]:
    """What the image says is a volume, unless the setting has something else there."""
    taken = {path for _, path in (*setting.volumes, *setting.read_only_volumes)}
    taken |= {*setting.tmpfs, *(file.target for file in setting.files)}
    return tuple(path for path in image.volumes if path not in taken)
