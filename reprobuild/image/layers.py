"""Layers, lowest first → ImageTree: streamed from the store, in a thread, nothing unpacked, nothing executed."""

from collections.abc import Callable
from dataclasses import dataclass

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.image.elf import scan
from reprobuild.image.layer_files import LayerFile, layer_files
from reprobuild.image.tree import ImageTree, Node, node_of
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task
from reprobuild.store import Store

__all__ = ["LayerReader", "Selection"]

_TOTAL_LIMIT = 16 * 1024**3
"""Plain bytes of all files of an image together."""
_TEXT_LIMIT = 8 * 1024**2
"""Bytes of a file whose contents are kept; the longest RECORD seen has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files, by path, are kept whole (small ones), and which are scanned as ELF files."""

    kept: Callable[[str], bool]
    scanned: Callable[[str], bool]


class LayerReader:
    """Grows ``tree`` by one layer after another. For one image; blocking, so that it belongs into a thread."""

    def __init__(self, store: Store, selection: Selection, *, where: str) -> None:
        self.tree = ImageTree()
        self._store = store
        self._selection = selection
        self._where = where
        self._count = 0
        self._room = _TOTAL_LIMIT

    def read(self, layer: Descriptor, diff_id: Digest, *, task: Task) -> None:
        """Add *layer*, which is in the store and whose plain bytes have the digest *diff_id*; *task* counts its bytes.

        Raises ContentError, naming the layer and the image, for anything that is not such a layer.
        """
        where = f"{self._where}, layer {self._count + 1} ({layer.digest})"
        for file in layer_files(layer, diff_id, self._store, where=where, task=task, room=self._room):
            self._room -= file.entry.size
            self._add(file, where)
        self._count += 1

    def _add(self, file: LayerFile, where: str) -> None:
        path = file.entry.path
        if file.hides == "below":
            self.tree.hide_below(path, layer=self._count)
        elif file.hides:
            self.tree.hide(path, layer=self._count)
        else:
            self.tree.place(path, self._node(file, where))

    def _node(self, file: LayerFile, where: str) -> Node:
        entry = file.entry
        if entry.kind == "hardlink":
            return self.tree.linked(entry.path, entry.target, where=where)._replace(layer=self._count)
        node = node_of(entry, layer=self._count, mtime=file.mtime)
        return self._with_contents(file, node, where)

    def _with_contents(self, file: LayerFile, node: Node, where: str) -> Node:
        path = file.entry.path
        scanned, kept = self._selection.scanned(path), self._selection.kept(path)
        if node.kind != "file" or not (scanned or kept):
            return node
        if scanned:
            return node._replace(elf=scan(file.chunks()))
        if node.size > _TEXT_LIMIT:
            raise ContentError(f"{path}: {node.size} bytes, more than {_TEXT_LIMIT} are not read", where=where)
        return node._replace(content=b"".join(file.chunks()))
