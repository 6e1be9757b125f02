"""What layers add up to at a few paths: the same answers as of the whole tree, for a part of the time.

Nearly all of a layer are files whose names nobody asks for. Where a path leads through a link, or two things stand at
one path, more than names decides: then it is the whole tree.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reprobuild.image.index import IndexedFile, RootLayer, grow, index_rows, layer_index, row_file
from reprobuild.image.tree import ImageTree
from reprobuild.store import Store

__all__ = ["tree_at", "trees_at"]

_HIDES = 7
"""The place in a row of what it hides."""


def tree_at(layers: Sequence[RootLayer], store: Store, paths: Iterable[str], *, where: str) -> ImageTree:
    """Return what *layers*, lowest first, have at *paths* and above them; of this tree only `get` is to be used."""
    *_, tree = trees_at(layers, store, paths, where=where)
    return tree


def trees_at(layers: Sequence[RootLayer], store: Store, paths: Iterable[str], *, where: str) -> Iterator[ImageTree]:
    """Yield what is at *paths* and above them below each of *layers*, lowest first, and on top: one tree, which grows.

    Blocking. Raises ContentError for a layer that is not what its digests say.
    """
    places = [f"{where}, layer {number + 1} ({layer.descriptor.digest})" for number, layer in enumerate(layers)]
    names = {name for path in paths for name in path.split("/")}
    rows = [index_rows(layer, store, where=place) for layer, place in zip(layers, places, strict=True)]
    files: Sequence[Iterable[IndexedFile]] | None = _few(rows, names)
    if files is None:
        files = [layer_index(layer, store, where=place) for layer, place in zip(layers, places, strict=True)]
    tree = ImageTree()
    for number, place in enumerate(places):
        yield tree
        for file in files[number]:
            grow(tree, file, number, where=place)
    yield tree


def _few(layers: Sequence[Sequence[list[Any]]], names: set[str]) -> list[list[IndexedFile]] | None:
    """Return of each layer's rows the files that matter for paths of *names*; None if names do not tell."""
    kept, folders, others = [], {""}, set[str]()
    for rows in layers:
        # What a layer below has made may be hidden again: each starts anew.
        chosen, made = [], {""}
        for row in rows:
            path, kind = row[0], row[1]
            folder, _, name = path.rpartition("/")
            if kind == "file" and name not in names and folder in made and not row[_HIDES]:
                others.add(path)  # As nearly all are.
                continue
            if row[_HIDES]:
                folders.add(path)
            elif kind == "directory":
                made.add(path)
            elif kind == "hardlink" and (name in names or folder not in made):
                return None
            else:
                others.add(path)
            if name in names or kind not in {"file", "hardlink"} or row[_HIDES] or folder not in made:
                chosen.append(row_file(row))
                made.add(folder)
        kept.append(chosen)
        folders |= made
    above = {folder[:end] for folder in folders for end in _ends(folder)}
    return None if above & others else kept


def _ends(path: str) -> Iterator[int]:
    """Yield where *path*, and each path above it, ends."""
    end = len(path)
    while end > 0:
        yield end
        end = path.rfind("/", 0, end)
