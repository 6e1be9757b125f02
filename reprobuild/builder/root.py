"""The files of an image on the way: its layers with what a hook changed since, and the bytes of any of them."""

from collections.abc import Iterable, Sequence

from reprobuild.canonical import Digest
from reprobuild.engines.execution import Change
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
        self.store_contents([found.node])
        return self._store.read(found.node.digest)

    def store_contents(self, nodes: Iterable[Node]) -> None:
        """Have the bytes of the files *nodes*, of this root's tree, in the store; each layer is read once."""
        wanted = {node.digest: node for node in nodes if node.digest and not self._store.has(node.digest, node.size)}
        for number in sorted({node.layer for node in wanted.values()}):
            self._extract(number, wanted)
        if wanted:
            raise ContentError("a file has left the store", where=self._where, hint="run the command again")

    def _extract(self, number: int, wanted: dict[Digest, Node]) -> None:
        layer = self._layers[number]
        sizes = {node.size for node in wanted.values() if node.layer == number}
        for file in layer_files(layer.descriptor, layer.diff_id, self._store, where=self._where):
            if file.entry.kind == "file" and file.entry.size in sizes:
                with self._store.writer() as writer:
                    for chunk in file.chunks():
                        writer.write(chunk)
                wanted.pop(writer.digest, None)
