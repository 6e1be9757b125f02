"""What layers add up to where only some files matter: those, all folders and all links, in a part of the time.

Most of an image are files whose contents nobody asks for. They are left out as far as they decide nothing: where one
of them takes the place of what is kept, or of a folder, where a path leads through a link, or a hard link is wanted,
it is the whole tree. What is chosen of a layer is remembered while there is room, for the next image that has it.
"""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reprobuild.canonical import Digest
from reprobuild.image.index import IndexedFile, RootLayer, grow, row_file
from reprobuild.image.recent_rows import RecentRows
from reprobuild.image.tree import ImageTree

__all__ = ["ChosenLayers"]

_HIDES, _DIGEST = 7, 9
"""The places in a row of what it hides, and of a file's digest."""
_ROOM = 80_000
"""Rows that are remembered, of all layers together: about 60 MB."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Of a layer the *files* that matter, and of the rest no more than the hashes of their paths.

    *folders* has the hashes of the paths of folders, listed or not, and of all that is above them; *links* those of
    links and devices. *is_whole* says that the rest must not be left out.
    """

    files: Sequence[IndexedFile]
    folders: frozenset[int]
    links: frozenset[int]
    rest: "array[int]"
    is_whole: bool


class ChosenLayers:
    """Layers of which only the files that *wanted* says, by their paths, matter. For one thread at a time.

    *rows* reads indexes, or listings that are as good. A file that has no digest in them was not asked for when they
    were made: of those, *nameless* says which matter all the same.
    """

    def __init__(
        self,
        wanted: Callable[[str], bool],
        rows: RecentRows,
        *,
        nameless: Callable[[str], bool] | None = None,
        room: int = _ROOM,
    ) -> None:
        self._wanted = wanted
        self._nameless = nameless or wanted
        self._rows = rows
        self._room = room
        self._known: OrderedDict[Digest, _Chosen] = OrderedDict()

    def tree(self, layers: Sequence[RootLayer], *, where: str) -> ImageTree:
        """Return what *layers*, lowest first, have that matters, with digests and without contents.

        Blocking. Raises ContentError for a layer that is not what its digests say.
        """
        places = [f"{where}, layer {number + 1} ({layer.descriptor.digest})" for number, layer in enumerate(layers)]
        chosen = [self._chosen(layer, place) for layer, place in zip(layers, places, strict=True)]
        folders = frozenset[int]().union(*(one.folders for one in chosen))
        links = frozenset[int]().union(*(one.links for one in chosen))
        kept = folders | links
        if not folders.isdisjoint(links) or any(one.is_whole or not kept.isdisjoint(one.rest) for one in chosen):
            pairs = zip(layers, places, strict=True)
            return _grown([map(row_file, self._rows.of(layer, where=place)) for layer, place in pairs], places)
        return _grown([one.files for one in chosen], places)

    def _chosen(self, layer: RootLayer, where: str) -> _Chosen:
        if (known := self._known.get(layer.diff_id)) is not None:
            self._known.move_to_end(layer.diff_id)
            return known
        made = _choose(self._rows.of(layer, where=where), self._wanted, self._nameless)
        self._known[layer.diff_id] = made
        while len(self._known) > 1 and sum(len(one.files) for one in self._known.values()) > self._room:
            self._known.popitem(last=False)
        return made


def _grown(layers: Iterable[Iterable[IndexedFile]], places: Sequence[str]) -> ImageTree:
    tree = ImageTree()
    for number, files in enumerate(layers):
        for file in files:
            grow(tree, file, number, where=places[number])
    return tree


def _choose(rows: Iterable[list[Any]], wanted: Callable[[str], bool], nameless: Callable[[str], bool]) -> _Chosen:
    files, folders, rest, is_whole = [], {""}, array("q"), False
    kept, links = set[int](), set[int]()
    for row in rows:
        path, kind = row[0], row[1]
        if row[_HIDES]:
            files.append(row_file(row))
            continue
        is_file = kind in {"file", "hardlink"}
        folder = path.rpartition("/")[0]
        if is_file and folder in folders:
            matters = nameless if row[_DIGEST] is None and kind == "file" else wanted
            if not matters(path):
                rest.append(hash(path))
                continue
        # A folder that the layer does not list itself is there because of the first file in it.
        is_whole = is_whole or kind == "hardlink"
        files.append(row_file(row))
        folders.add(folder)
        if kind == "directory":
            folders.add(path)
        else:
            (kept if is_file else links).add(hash(path))
    above = frozenset(map(hash, _above(folders)))
    # A folder whose place something took is there again because of the next file in it, which was left out.
    return _Chosen(tuple(files), above, frozenset(links), rest, is_whole or not above.isdisjoint(kept))


def _above(folders: set[str]) -> set[str]:
    """Return *folders* and all that is above them."""
    found = set[str]()
    for folder in folders:
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]  # noqa: PLW2901
    return found
