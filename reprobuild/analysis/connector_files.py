"""Dockerfiles and metadata of a fleet, found in folders: whose they are, and which of them are wanted."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprobuild.analysis.facts import Missing
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.workspace.airbyte import METADATA, Metadata, read_metadata

__all__ = ["ConnectorFile", "Wanted", "connector_metadata", "find_dockerfiles", "find_metadata"]

_NAMES = ("Dockerfile", "Containerfile")
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorFile:
    """A file of a connector. *name* is the technical one: what the folder is called; *path* is as a user would say."""

    name: str
    path: str
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which connectors are wanted, by their metadata; each empty collection stands for all."""

    languages: Collection[str] = ()
    support_levels: Collection[str] = ()

    def refuses(self, metadata: Metadata | None) -> str | None:
        """Return why a connector is not wanted: a text for people if nobody can know, ``""`` if it just is not."""
        if not self.languages and not self.support_levels:
            return None
        if metadata is None:
            return "it has no metadata.yaml that tells its language and support level"
        fits = not self.languages or bool(set(self.languages) & metadata.languages)
        fits = fits and (not self.support_levels or metadata.support_level in self.support_levels)
        return None if fits else ""


def find_dockerfiles(paths: Sequence[Path], root: Path) -> tuple[ConnectorFile, ...]:
    """Return the Dockerfiles at and below *paths*, relative ones below *root*, each once, sorted by path.

    A file that is named is taken, whatever it is called. Folders that hold none of a project's own files, and hidden
    ones, are passed over, and so are links. Raises SpecificationError for a path that is not there.
    """
    return _found(paths, root, _is_dockerfile)


def find_metadata(paths: Sequence[Path], root: Path) -> tuple[ConnectorFile, ...]:
    """Return the ``metadata.yaml`` files at and below *paths*; see `find_dockerfiles`."""
    return _found(paths, root, lambda name: name == METADATA)


def connector_metadata(folder: Path, where: str) -> tuple[Metadata | None, Missing | None]:
    """Return the metadata in *folder*, None if there is none; and what is wrong with it, where something is.

    What errors name is below *where*.
    """
    file = folder / METADATA
    if not file.is_file():
        return None, None
    name = os.path.join(where, METADATA)  # noqa: PTH118 - as a user would say
    try:
        return read_metadata(file, name), None
    except ReprobuildError as error:
        return None, Missing(name=name, why=error.message, hint=error.hint or "")


def _found(paths: Sequence[Path], root: Path, wanted: Callable[[str], bool]) -> tuple[ConnectorFile, ...]:
    found: dict[Path, ConnectorFile] = {}
    for path in paths:
        for file in _files(path, root, wanted):
            said = path if file == root / path else path / file.relative_to(root / path)
            found.setdefault(file.resolve(), ConnectorFile(name="", path=said.as_posix(), file=file))
    ordered = sorted(found.values(), key=lambda one: one.path)
    count: dict[Path, int] = {}
    for one in ordered:
        count[one.file.parent] = count.get(one.file.parent, 0) + 1
    return tuple(
        ConnectorFile(name=_name(one.file, alone=count[one.file.parent] == 1), path=one.path, file=one.file)
        for one in ordered
    )


def _files(path: Path, root: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    place = root / path
    if place.is_file():
        yield place
        return
    if not place.is_dir():
        raise SpecificationError("there is no such file or folder", where=str(path), hint="check the path")
    for folder, names, files in os.walk(place):
        names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if wanted(name) and not file.is_symlink():
                yield file


def _is_dockerfile(name: str) -> bool:
    if name.lower().endswith(".dockerignore"):
        return False
    stem, _, last = name.rpartition(".")
    return name.partition(".")[0] in _NAMES or (bool(stem) and last.capitalize() in _NAMES)


def _name(file: Path, *, alone: bool) -> str:
    """Return whose *file* is: its folder's, and which of several there it is."""
    folder = file.resolve().parent.name or "/"
    return folder if alone or file.name in {*_NAMES, METADATA} else f"{folder}/{file.name}"
