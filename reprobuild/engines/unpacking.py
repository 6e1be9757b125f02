"""Layers that are not there as directories → directories: drafts first, several at a time, then what is below them."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from reprobuild.canonical import Digest, hex_of
from reprobuild.engines.draft import Draft, fill_directory
from reprobuild.engines.drafts import drafts
from reprobuild.engines.flavour import Flavour
from reprobuild.engines.needs import Needs, known_needs
from reprobuild.engines.unpacked_layers import UnpackedLayers, chain_of, remove_directory
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.partial_tree import trees_at
from reprobuild.image.tree import ImageTree, Node
from reprobuild.store import Store

__all__ = ["Unpacking"]

_Folders = Mapping[str, Node]


class Unpacking:
    """Makes those of *layers* that *shelf* lacks, in *scratch* as long as they are half made.

    *where* is for messages. The caller is the only one who makes them.
    """

    def __init__(
        self,
        layers: Sequence[RootLayer],
        store: Store,
        flavour: Flavour,
        shelf: UnpackedLayers,
        scratch: Path,
        where: str,
    ) -> None:
        self._layers, self._store, self._flavour = layers, store, flavour
        self._shelf, self._scratch, self._where = shelf, scratch, where
        self._drafts: dict[int, Draft] = {}
        self._found = shelf.find(layers)

    def done(self) -> list[Path | None]:
        """Return the directories of all layers, lowest first. Blocking; raises what `unpacked` does."""
        known = {number: known_needs(self._layers[number].diff_id, self._store) for number in self._missing()}
        self._draft([number for number, needs in known.items() if needs is None])
        needs = {number: one or self._drafts[number].needs for number, one in known.items()}
        below = self._below(needs)
        names = {
            number: self._chain(number) if folders is None else needs[number].name(self._diff_id(number), folders)
            for number, folders in below.items()
        }
        for number, name in names.items():
            self._found[number] = self._shelf.get(name)
        self._draft([number for number in self._missing() if below[number] is not None and number not in self._drafts])
        for number, folders in below.items():
            self._finish(number, names[number], folders)
        return self._found

    def _missing(self) -> list[int]:
        return [number for number, path in enumerate(self._found) if path is None]

    def _diff_id(self, number: int) -> Digest:
        return self._layers[number].diff_id

    def _chain(self, number: int) -> str:
        return hex_of(chain_of(self._layers[: number + 1]))

    def _draft(self, numbers: Sequence[int]) -> None:
        wanted = {number: (self._layers[number], self._place(number)) for number in numbers}
        self._drafts |= drafts(wanted, self._scratch, self._store, self._flavour)

    def _place(self, number: int) -> str:
        return f"{self._where}, layer {number + 1} ({self._layers[number].descriptor.digest})"

    def _below(self, needs: Mapping[int, Needs]) -> dict[int, _Folders | None]:
        """Return for each layer the folders below that it needs; None where all that is below has a say."""
        asked = {path for one in needs.values() for path in one.asked}
        trees: Iterator[ImageTree] = iter([ImageTree()] * len(self._layers))
        if asked:
            trees = trees_at(self._layers[:-1], self._store, asked, where=self._where)
        found = {number: needs[number].folders(tree) for number, tree in enumerate(trees) if number in needs}
        return {number: found[number] for number in needs}

    def _finish(self, number: int, name: str, folders: _Folders | None) -> None:
        """Have the directory *name* of a layer, made of its draft or without one."""
        draft = self._drafts.get(number)
        root = self._scratch / f"layer-{number}"
        if self._found[number] is not None:
            remove_directory(root)  # Somewhere else the same is below it.
        else:
            if folders is None or draft is None:
                remove_directory(root)
                self._fill(number, root)
            else:
                draft.settle(folders, where=self._place(number))
            self._found[number] = self._shelf.keep(root, name, None if folders is None else self._diff_id(number))
        self._shelf.remember(self._layers[: number + 1], name)

    def _fill(self, number: int, root: Path) -> None:
        lower = [path for path in self._found[:number] if path is not None]
        whole = tree_of(self._layers[:number], self._store, where=self._where)
        place = self._place(number)
        copy = partial(_copy, whole, lower, place)
        fill_directory(self._layers[number], root, self._store, self._flavour, below=whole, copy=copy, where=place)


def _copy(tree: ImageTree, below: Sequence[Path], where: str, path: str, place: Path) -> None:
    found = tree.find(path)
    if found is None or found.node.kind != "file":
        raise ContentError(f"a hard link to nothing, {path[:200]!r}", where=where)
    source = below[found.node.layer] / found.path
    shutil.copyfile(source, place, follow_symlinks=False)
    os.chown(place, found.node.uid, found.node.gid)
    shutil.copystat(source, place, follow_symlinks=False)
