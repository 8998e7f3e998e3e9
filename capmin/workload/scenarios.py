"""From the tables of a workload file to scenarios."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from capmin.scenario import (
    Companion,
    HttpProbe,
    Place,
    PublishedFile,
    Ready,
    Reload,
    Scenario,
    Setting,
    Stop,
    TcpProbe,
)
from capmin.workload.document import Document, KeyPath
from capmin.workload.scenario_schema import (
    CompanionTable,
    HttpTable,
    ReadyTable,
    ScenarioTable,
    SettingTable,
)


def scenario_of(
    table: ScenarioTable, document: Document, key: KeyPath, image_of: Callable[[str], str]
) -> Scenario:
    """A scenario; ``image_of`` gives the image of another workload by its folder.

    Raises:
        UsageError: it names files that are not there.
    """
    probes: list[HttpProbe | TcpProbe] = [_http(probe) for probe in table.http]
    probes += [TcpProbe(**probe.model_dump()) for probe in table.tcp]
    return Scenario(
        name=table.name,
        test=table.test or (),
        service=table.service,
        test_image=table.test_image,
        test_in=table.test_in,
        probes=tuple(probes),
        phases=table.phases,
        ready=_ready(table.ready),
        reload=None if table.reload is None else Reload(**table.reload.model_dump()),
        stop=Stop(**table.stop.model_dump()),
        setting=_setting(table, document, key),
        alias=table.alias or "",
        port=table.port,
        companions=tuple(
            _companion(companion, document, (*key, "companion", index), image_of)
            for index, companion in enumerate(table.companion)
        ),
        compare=table.compare,
        masks=table.masks,
        folder=str(document.path.parent.resolve()) if table.test_in is Place.HOST else "",
    )


def _companion(
    table: CompanionTable, document: Document, key: KeyPath, image_of: Callable[[str], str]
) -> Companion:
    image = table.image if table.workload is None else image_of(table.workload)
    return Companion(
        name=table.name,
        image=image or "",
        setting=_setting(table, document, key),
        ready=_ready(table.ready),
    )


def _setting(table: SettingTable, document: Document, key: KeyPath) -> Setting:
    return Setting(
        environment=tuple(f"{name}={value}" for name, value in table.env.items()),
        user=table.user,
        arguments=table.arguments or (),
        volumes=tuple(table.volumes.items()),
        read_only_volumes=tuple(table.read_only_volumes.items()),
        tmpfs=table.tmpfs,
        files=tuple(_files(table.files, document, (*key, "files"))),
    )


def _files(files: Mapping[str, str], document: Document, key: KeyPath) -> Iterable[PublishedFile]:
    folder = document.path.parent.resolve()
    for name, target in files.items():
        source = (folder / name).resolve()
        if not source.is_relative_to(folder):
            raise document.error((*key, name), "is outside of the workload's folder")
        if not source.exists():
            raise document.error((*key, name), f"there is no {source}")
        yield PublishedFile(source=str(source), target=target, digest=_digest(source))


def _digest(path: Path) -> str:
    """Of names and contents: a campaign on other files is another campaign."""
    digest = hashlib.sha256()
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(path)}\0{content}\n".encode())
    return digest.hexdigest()


def _http(table: HttpTable) -> HttpProbe:
    return HttpProbe(**{**table.model_dump(), "headers": tuple(table.headers.items())})


def _ready(table: ReadyTable | None) -> Ready | None:
    return None if table is None else Ready(**table.model_dump())
