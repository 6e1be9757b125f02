"""The files of an image on the way: its layers with what a hook changed since, and the bytes of any of them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from reprobuild.canonical import Digest
from reprobuild.engines.execution import Change
from reprobuild.engines.unpacked import unpacked_file
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.layer_files import layer_files
from reprobuild.image.tree import ImageTree, Node, node_of
from reprobuild.store import Store

__all__ = ["Root"]

_LARGEST = 16 * 1024 * 1024
"""Bytes of a file that is read whole."""


class Root:
    """What a program would see. Blocking: its methods belong into a thread. ``tree`` says what is where."""

    def __init__(
        self,
        layers: Sequence[RootLayer],
        store: Store,
        *,
        changed: Iterable[Change] = (),
        removed: Iterable[str] = (),
        where: str,
    ) -> None:
        self.tree: ImageTree = tree_of(layers, store, where=where)
        self._layers = layers
        self._store = store
        self._where = where
        for path in removed:
            self.tree.hide(path, layer=len(layers))
        for change in changed:
            self.tree.place(change.entry.path, node_of(change.entry, layer=len(layers), digest=change.digest))

    def content(self, path: str) -> bytes | None:
        """Return the bytes of the file that *path* leads to; None if it leads to no file.

        Raises ContentError for a file that is too large to be read whole.
        """
        found = self.tree.find(path)
        if found is None or found.node.kind != "file" or found.node.digest is None:
            return None
        if found.node.size > _LARGEST:
            raise ContentError(f"{found.node.size} bytes, more than {_LARGEST} are not read", where=path)
        self.store_contents({found.path: found.node})
        return self._store.read(found.node.digest)

    def store_contents(self, files: Mapping[str, Node]) -> None:
        """Have the bytes of *files*, of this root's tree and by stored path, in the store; each layer is read once."""
        wanted: dict[Digest, Node] = {}
        for path, node in files.items():
            if node.digest and not self._store.has(node.digest, node.size) and not self._copied(path, node):
                wanted[node.digest] = node
        for number in sorted({node.layer for node in wanted.values()}):
            self._extract(number, wanted)
        if wanted:
            raise ContentError("a file has left the store", where=self._where, hint="run the command again")

    def _copied(self, path: str, node: Node) -> bool:
        """Put the bytes of the file at *path* into the store if its layer has been unpacked; say whether they are."""
        if node.layer >= len(self._layers):
            return False
        chunks = unpacked_file(self._layers[node.layer], path, node.size, self._store)
        # Not flushed to the disk: it is read by its digest, and quickly copied again.
        with suppress(ContentError), self._store.writer(node.digest, flushed=False) as writer:
            for chunk in chunks:
                writer.write(chunk)
        return node.digest is not None and self._store.has(node.digest, node.size)

    def _extract(self, number: int, wanted: dict[Digest, Node]) -> None:
        layer = self._layers[number]
        sizes = {node.size for node in wanted.values() if node.layer == number}
        for file in layer_files(layer.descriptor, layer.diff_id, self._store, where=self._where):
            if file.entry.kind == "file" and file.entry.size in sizes:
                with self._store.writer(flushed=False) as writer:
                    for chunk in file.chunks():
                        writer.write(chunk)
                wanted.pop(writer.digest, None)
