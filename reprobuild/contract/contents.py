"""Contents of the few small files that a contract asks for, put into a tree that was made from indexes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reprobuild.canonical import Digest, digest_of
from reprobuild.contract.facts import wanted_files
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.image.layer_files import layer_files
from reprobuild.image.tree import ImageTree, Node
from reprobuild.store import Store
from reprobuild.workspace.expect import Expectations

__all__ = ["with_contents"]

_LARGEST = 8 * 1024**2
"""Bytes of a file that are read."""


def with_contents(
    tree: ImageTree, expectations: Expectations, layers: Sequence[RootLayer], store: Store, *, where: str
) -> None:
    """Give *tree*, made of *layers* with digests, the contents of the files that *expectations* ask for.

    Each layer is read at most once, and each file in a store's life. Blocking. Raises ContentError, naming *where*, for a
    file that is too large.
    """
    wanted = dict(_wanted(tree, expectations, where))
    missing = {node.digest for node in wanted.values() if node.digest is not None and node.digest not in store}
    for layer in reversed(layers[: 1 + max((node.layer for node in wanted.values()), default=-1)]):
        if missing:
            missing -= set(_kept(layer, missing, {node.size for node in wanted.values()}, store))
    for path, node in wanted.items():
        if node.digest is not None and node.digest in store:
            tree.place(path, replace(node, content=store.read(node.digest)))


def _wanted(tree: ImageTree, expectations: Expectations, where: str) -> Iterator[tuple[str, Node]]:
    """Yield the files by their stored paths."""
    for path in wanted_files(expectations):
        found = tree.find(path)
        if found is None:
            continue
        inner = [f"{found.path}/{name}" for name in tree.names(found.path)]
        for stored in (found.path, *inner):
            node = tree.get(stored)
            if node is not None and node.kind == "file":
                if node.size > _LARGEST:
                    why = f"/{stored}: {node.size} bytes, more than {_LARGEST} are not read"
                    raise ContentError(why, where=where)
                yield stored, node


def _kept(layer: RootLayer, missing: set[Digest], sizes: set[int], store: Store) -> Iterator[Digest]:
    """Put the files of *layer* with the digests *missing* into *store*; yield their digests."""
    for file in layer_files(layer.descriptor, layer.diff_id, store, where=str(layer.descriptor.digest)):
        if file.entry.kind == "file" and not file.hides and file.entry.size in sizes:
            data = b"".join(file.chunks())
            if digest_of(data) in missing:
                yield store.add(data)
