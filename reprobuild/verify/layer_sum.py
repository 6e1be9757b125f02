"""What some layers of an image add up to: the last entry for each path, and what they hide of the layers below.

Not an `ImageTree`: layers that two images share are not read, so what stands below is not known here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reprobuild.image.index import IndexedFile

__all__ = ["LayerSum", "Placed", "sum_of"]

_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry, and the number of the layer that has it, from 1."""

    file: IndexedFile
    layer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSum:
    """Entries by path, and the layers that hide something by the path that is hidden."""

    files: dict[str, Placed] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)
    is_whole: bool = False
    """Whether all layers of the image are among them."""

    def resolved(self, placed: Placed) -> Placed:
        """Return what a hard link repeats, as far as it is known here; anything else is returned as it is."""
        found = placed
        for _ in range(_MOST_LINKS):
            if found.file.entry.kind != "hardlink":
                break
            target = self.files.get(found.file.entry.target)
            if target is None:
                break
            found = target
        return found


def sum_of(layers: Iterable[tuple[int, Sequence[IndexedFile]]], *, unknown: int | None = 0) -> LayerSum:
    """Return what *layers*, each with its number, lowest first, add up to.

    *unknown* is the number of the lowest layer that is not among them, None if there is none: what stands below
    that one hides nothing but what is known.
    """
    files: dict[str, Placed] = {}
    hidden: dict[str, int] = {}
    folders: set[str] = set()
    for number, entries in layers:
        hides = [file for file in entries if file.hides]
        if hides and files:
            files = _without(files, hides)
        hidden |= {file.entry.path + ("/" if file.hides == "below" else ""): number for file in hides}
        added = {file.entry.path: Placed(file, number) for file in entries if not file.hides}
        cut = {path for path in folders & added.keys() if added[path].file.entry.kind != "directory"}
        if cut:
            files = {path: one for path, one in files.items() if not _is_below(path, cut)}
        files |= added
        for path in added:
            _add_parents(path, folders)
    heard = {path: number for path, number in hidden.items() if unknown is not None and number > unknown}
    return LayerSum(files=files, hidden=heard, is_whole=unknown is None)


def _without(files: dict[str, Placed], hides: Iterable[IndexedFile]) -> dict[str, Placed]:
    """Return *files* without what whiteouts take away: a path with all below it, or all below a path."""
    paths = {file.entry.path for file in hides if file.hides == "path"}
    folders = {file.entry.path for file in hides if file.hides == "below"}
    return {
        path: one
        for path, one in files.items()
        if path not in paths and not _is_below(path, paths) and not _is_below(path, folders)
    }


def _add_parents(path: str, folders: set[str]) -> None:
    """Add the directories that lead to *path* to *folders*, as far as they are not there."""
    while (end := path.rfind("/")) > 0 and (path := path[:end]) not in folders:
        folders.add(path)


def _is_below(path: str, folders: set[str]) -> bool:
    """Say whether a directory that leads to *path* is one of *folders*, the root being the empty path."""
    if not folders:
        return False
    end = path.rfind("/")
    while end > 0:
        if path[:end] in folders:
            return True
        end = path.rfind("/", 0, end)
    return "" in folders and path != ""
