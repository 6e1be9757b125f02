"""Connectors that are folders of the workspace: which there are, and what each of them amounts to.

A folder may say everything in its own `[tool.reprobuild]`, or nothing: then its `pyproject.toml` (or
`requirements.txt`) gives name, version and requirements, and Airbyte's `metadata.yaml` name, version and base.
"""

import posixpath
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from reprobuild.errors import SpecificationError
from reprobuild.oci.types import Platform
from reprobuild.workspace.airbyte import METADATA, Metadata, read_metadata
from reprobuild.workspace.customization import main_file_name
from reprobuild.workspace.hook_settings import specified_hooks, specified_inputs, specified_secrets
from reprobuild.workspace.hooks import HookSpec
from reprobuild.workspace.project import Project, listed_requirements, pin_file, read_project
from reprobuild.workspace.requirement import canonical_name
from reprobuild.workspace.settings import Settings, file_sources, read_settings
from reprobuild.workspace.toml_table import Table, read_toml
from reprobuild.workspace.types import DEFAULT_WORKDIR, OWN_FILE, PYPROJECT, REQUIREMENTS_TXT, ConnectorSpec, Source

__all__ = ["Folder", "find_folders", "folder_connector", "read_folder"]

_MAIN = "main.py"
_SETUP = "setup.py"
_DOCKERFILE = "Dockerfile"
_FILES = (METADATA, PYPROJECT, OWN_FILE, REQUIREMENTS_TXT, _SETUP)
_WORKSPACE_KEYS = (
    "connectors",
    "connector",
    "epoch",
    "compression",
    "bytecode",
    "build-constraints",
    "insecure-registries",
    "registry",
    "namespace",
)
_ELSEWHERE = dict.fromkeys(_WORKSPACE_KEYS, "this key belongs into the workspace's own table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A connector's folder as read: ``label`` is its path in the workspace, ``name`` the connector's name.

    ``settings`` is what its own `[tool.reprobuild]` says.
    """

    path: Path
    label: str
    name: str
    project: Project
    metadata: Metadata | None
    settings: Settings

    @property
    def where(self) -> str:
        """What gives the connector its name, for errors."""
        return self.metadata.where if self.metadata else self.label


def find_folders(root: Path, table: Table) -> Iterator[tuple[Path, bool]]:
    """Yield the folders that the key ``connectors`` of *table* stands for, sorted, each once.

    With each comes whether it is named as such, and not only matched by a pattern.
    """
    found: dict[Path, bool] = {}
    for text in table.texts("connectors") or ():
        clean = text if text == "." else table.below("connectors", text)
        if any(mark in clean for mark in "*?["):
            for path in root.glob(clean):
                if path.is_dir():
                    found.setdefault(path, False)
        elif (root / clean).is_dir():
            found[root / clean] = True
        else:
            raise table.fault("connectors", f"there is no folder {clean!r}", hint="mend the path, or remove it")
    yield from sorted(found.items())


def read_folder(path: Path, root: Path, *, named: bool) -> Folder | None:
    """Return the connector in *path*; what is none that can be built is an error if *named* as one, else None."""
    label = path.relative_to(root).as_posix()
    files = [name for name in _FILES if (path / name).is_file()]
    metadata = read_metadata(path / METADATA, f"{label}/{METADATA}") if METADATA in files else None
    if metadata is not None and not _is_python(metadata, files):
        languages = ", ".join(sorted(metadata.languages)) or "a language that it does not say"
        why = f"is a connector in {languages}: only those in Python can be built"
        return _unless_named(named, label, why)
    project = read_project(path, label)
    settings = Settings() if path == root else _own_settings(path, label, project)
    is_listed = _SETUP in files or REQUIREMENTS_TXT in files
    if metadata is None and not is_listed and _says_nothing(project, settings):
        why = f"is not a connector: none of {', '.join(_FILES[:-1])} says what it needs"
        return _unless_named(named, label, why)
    name = metadata.name if metadata else project.name or canonical_name(path.name)
    return Folder(path=path, label=label, name=name, project=project, metadata=metadata, settings=settings)


def folder_connector(
    folder: Folder, settings: Settings, *, base: str, platforms: tuple[Platform, ...]
) -> ConnectorSpec:
    """Return the specification of *folder* on *base*; *settings* are its own and the workspace's for it."""
    hooks = specified_hooks(settings.hooks, folder.path, folder.label)
    settings = _with_main(folder, settings, hooks)
    main, workdir = settings.main or _MAIN, settings.workdir or DEFAULT_WORKDIR
    entrypoint = settings.entrypoint or ("python", posixpath.join(workdir, main))
    metadata = folder.metadata
    version = settings.version or (metadata.tag if metadata else folder.project.version)
    labels = metadata.labels | {"io.airbyte.version": version or metadata.tag} if metadata else {}
    return ConnectorSpec(
        name=folder.name,
        version=version,
        base=base,
        requirements=_requirements(folder, settings),
        pins=pin_file(folder.path),
        python=folder.project.python,
        folder=folder.path,
        sources=tuple(_sources(folder, settings)),
        entrypoint=entrypoint,
        env={"AIRBYTE_ENTRYPOINT": shlex.join(entrypoint), **settings.env},
        labels={**labels, **settings.labels},
        workdir=workdir,
        user=settings.user,
        platforms=settings.platforms or platforms,
        hooks=hooks,
        inputs=specified_inputs(settings.inputs, hooks, folder.path),
        secrets=specified_secrets(settings.secrets, hooks, folder.path),
        missing_libraries=settings.missing_libraries or (),
        where=folder.where,
    )


def _with_main(folder: Folder, settings: Settings, hooks: HookSpec) -> Settings:
    """Return *settings* with the main file that `build_customization.py` names, unless they name one themselves."""
    if settings.main is not None or hooks.customization is None:
        return settings
    file = posixpath.join(folder.label, hooks.customization.relative_to(folder.path).as_posix())
    main = main_file_name(hooks.customization, file)
    return settings if main is None else replace(settings, main=main, places={**settings.places, "main": file})


def _is_python(metadata: Metadata, files: list[str]) -> bool:
    if metadata.languages:
        return metadata.is_python
    return any(name in files for name in _FILES[1:])


def _says_nothing(project: Project, settings: Settings) -> bool:
    """Say whether a folder has at most a `pyproject.toml` that configures tools."""
    return project.name is None and project.requirements is None and settings == Settings()


def _unless_named(named: bool, label: str, why: str) -> Folder | None:  # noqa: FBT001 - the name says it
    """Return None for a folder that a pattern happened to match; raise SpecificationError for one that is *named*."""
    if named:
        raise SpecificationError(why, where=label, hint="take it out of `connectors`")
    return None


def _own_settings(path: Path, label: str, project: Project) -> Settings:
    """Return what the folder's own file for us, or table in its `pyproject.toml`, says."""
    own = path / OWN_FILE
    if not own.is_file():
        return read_settings(Table(project.own or {}, f"{label}/{PYPROJECT}", ("tool", "reprobuild")), _ELSEWHERE)
    if project.own is not None:
        raise SpecificationError(
            f"both {OWN_FILE} and [tool.reprobuild] of {PYPROJECT} are there",
            where=label,
            hint="move everything into one of them, and remove the other",
        )
    file = f"{label}/{OWN_FILE}"
    return read_settings(Table(read_toml(own, file), file), _ELSEWHERE)


def _requirements(folder: Folder, settings: Settings) -> tuple[str, ...]:
    requirements = settings.requirements or folder.project.requirements
    if requirements is None:
        requirements = listed_requirements(folder.path, folder.label)
    if requirements:
        return requirements
    if (folder.path / _SETUP).is_file() and requirements is None:
        why = f"only {_SETUP} says what it requires, and that would have to be executed"
        hint = f"list what it requires in {PYPROJECT} ([project] dependencies) or {REQUIREMENTS_TXT}"
        if (folder.path / _DOCKERFILE).is_file():
            hint = f"run `reprobuild migrate {folder.label}`, which reads it"
        raise SpecificationError(why, where=folder.label, hint=hint)
    raise SpecificationError(
        "requires no distribution at all",
        where=folder.label,
        hint=f"list at least one under [project] dependencies in {PYPROJECT}, or as requirements in {OWN_FILE}",
    )


def _sources(folder: Folder, settings: Settings) -> Iterator[Source]:
    """Yield what of the folder goes into the image: main file, packages, and what is included beside."""
    places, main = settings.places, settings.main or _MAIN
    needed = settings.main is not None or settings.entrypoint is None
    where = places.get("main", folder.where)
    yield Source(kind="main file", places=(main,), target=main, where=where, required=needed)
    for found, target in _packages(folder, settings):
        where = places.get("packages", folder.where)
        yield Source(kind="package folder", places=found, target=target, where=where)
    for path in settings.include or ():
        yield Source(kind="included path", places=(path,), target=path, where=places["include"])
    yield from file_sources(settings)


def _packages(folder: Folder, settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the places to look for each package, and what it is called in the image."""
    if settings.packages is not None:
        yield from (((path,), posixpath.basename(path)) for path in settings.packages)
    elif folder.project.packages:
        yield from (((path,), target) for path, target in folder.project.packages)
    else:
        snake = folder.name.replace("-", "_").replace(".", "_")
        yield (snake, f"src/{snake}"), snake
