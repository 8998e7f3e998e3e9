"""Workloads: a folder says how to get an image, and what it must still do (``workloads/README.md``)."""

from dataclasses import dataclass
from pathlib import Path

from capmin.engines import Image, containerfile
from capmin.engines.containerfile import ContainerfileRecipe
from capmin.engines.debian import DebianRecipe, build
from capmin.engines.places import cache_dir
from capmin.engines.rootfs import RootfsCache
from capmin.errors import UsageError
from capmin.scenario import Scenario
from capmin.workload.document import Document, read_document
from capmin.workload.scenarios import scenario_of
from capmin.workload.schema import DebianTable, ImageTable, WorkloadTable

FILE_NAME = "workload.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """An image, as a reference or a recipe for one, and the scenarios that it must pass."""

    name: str
    path: Path
    description: str
    image: str | DebianRecipe | ContainerfileRecipe
    scenarios: tuple[Scenario, ...]
    others: tuple["Workload", ...] = ()
    """Those whose images are companions here."""

    @property
    def reference(self) -> str:
        """What engines find the image by, once it is built."""
        return self.image if isinstance(self.image, str) else self.image.reference

    @property
    def is_built(self) -> bool:
        """Whether capmin builds the image, so that no registry has it."""
        return not isinstance(self.image, str)

    def build(self, *, fresh: bool = False) -> str:
        """Have the image, and its companions', in capmin's cache, built if need be; gives its reference.

        Raises:
            ImageError: a step of its Containerfile failed.
            EngineError: what builds it is missing or failed.
        """
        if isinstance(self.image, ContainerfileRecipe):
            containerfile.build(self.image, cache_dir(), fresh=fresh)
        elif isinstance(self.image, DebianRecipe):
            with RootfsCache(cache_dir()) as cache:
                build(self.image, cache, fresh=fresh)
        for other in self.others:
            other.build(fresh=fresh)
        return self.reference


class _Others:
    """The other workloads that a workload names, each loaded once."""

    def __init__(self, folder: Path) -> None:
        self.found: dict[str, Workload] = {}
        self._folder = folder

    def image_of(self, name: str) -> str:
        if name not in self.found:
            self.found[name] = load_image(self._folder / name)
        return self.found[name].reference


def load_workload(path: Path) -> Workload:
    """Read a workload from its folder, or from its file.

    Raises:
        UsageError: there is none, or it is not as ``workloads/README.md`` says; the message names file,
            line and key.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        raise UsageError(f"no workload at {path}: there is no {file}")
    document = read_document(file)
    table = document.parse(WorkloadTable)
    if not table.scenario:
        raise document.error((), "has no [[scenario]]: say what the image must still do")
    _check_scenarios(table, document)
    name = table.image.name or _name_of(file)
    others = _Others(file.parent)
    return Workload(
        name=name,
        path=file,
        description=table.description,
        image=_image(table.image, name, document),
        scenarios=tuple(
            scenario_of(scenario, document, ("scenario", index), others.image_of)
            for index, scenario in enumerate(table.scenario)
        ),
        others=tuple(others.found.values()),
    )


def load_image(path: Path) -> Workload:
    """Read what a workload says of its image, and nothing else of it.

    Raises:
        UsageError: as of `load_workload`.
    """
    file = path / FILE_NAME if path.is_dir() else path
    document = read_document(file)
    table = document.parse(WorkloadTable)
    name = table.image.name or _name_of(file)
    return Workload(
        name=name,
        path=file,
        description=table.description,
        image=_image(table.image, name, document),
        scenarios=(),
    )


def find_workloads(folder: Path) -> tuple[Path, ...]:
    """The workloads in a folder of folders, by name."""
    return tuple(sorted(file.parent for file in folder.glob(f"*/{FILE_NAME}")))


def build_recipe(path: Path, cache: RootfsCache) -> Image:
    """Build the image of a file that has an ``[image]``, and need not have scenarios.

    Raises:
        UsageError: it is not as it should be.
        EngineError: mmdebstrap is missing or failed.
    """
    document = read_document(path)
    table = document.parse(WorkloadTable)
    image = _image(table.image, table.image.name or _name_of(path), document)
    if isinstance(image, ContainerfileRecipe):
        raise document.error(("image", "containerfile"), "only for workloads: give debian or reference")
    return cache.image(image) if isinstance(image, str) else build(image, cache)


def _name_of(file: Path) -> str:
    return file.resolve().parent.name if file.name == FILE_NAME else file.stem


def _check_scenarios(table: WorkloadTable, document: Document) -> None:
    names = [scenario.name for scenario in table.scenario]
    runs = table.image.debian is None or table.image.entrypoint or table.image.cmd
    for index, scenario in enumerate(table.scenario):
        if scenario.name in names[:index]:
            raise document.error(("scenario", index, "name"), f"there is another scenario {scenario.name!r}")
        if scenario.service and not runs:
            raise document.error(
                ("scenario", index, "service"), "the image has neither entrypoint nor cmd to run as a service"
            )


def _image(table: ImageTable, name: str, document: Document) -> str | DebianRecipe | ContainerfileRecipe:
    if table.reference is not None:
        return table.reference
    if table.containerfile is not None:
        file = document.path.parent / table.containerfile
        if not file.is_file():
            raise document.error(("image", "containerfile"), f"there is no file {file}")
        return ContainerfileRecipe(name=name, file=file.absolute(), origin=document.path.absolute())
    files = document.path.parent / table.files if table.files else None
    if files and not files.is_dir():
        raise document.error(("image", "files"), f"there is no directory {files}")
    debian = table.debian or DebianTable()
    return DebianRecipe(
        name=name,
        origin=document.path.absolute(),
        suite=debian.suite,
        variant=debian.variant,
        packages=debian.packages,
        files=files,
        run=table.run,
        configuration=table.configuration(),
    )
