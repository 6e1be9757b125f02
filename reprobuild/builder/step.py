"""The layer of a step: what it changed, held against the image below and written as tar into the store."""

from collections.abc import Iterator, Sequence

from reprobuild.builder.compress import Compression
from reprobuild.builder.container import Container
from reprobuild.builder.fragment import make_fragment
from reprobuild.builder.layer import join
from reprobuild.builder.masked import settled_shadow
from reprobuild.builder.step_layer import StepEntry, step_entries
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.engines.execution import Change, Changes
from reprobuild.image.index import RootLayer, file_content, tree_of
from reprobuild.store import Store

__all__ = ["step_layer", "stepped"]

_SHADOW = ("etc/shadow", "etc/shadow-")
_SHADOW_LIMIT = 1024 * 1024


def step_layer(
    changes: Changes, below: Sequence[RootLayer], store: Store, *, epoch: int, compression: Compression, where: str
) -> RootLayer | None:
    """Return the layer that *changes* make on top of the layers *below*, lowest first; None if nothing differs.

    Blocking. Contents of changed files are in *store*, and the layer is afterwards. Raises ContentError, naming
    *where*, for what no layer can hold.
    """
    if not changes.present and not changes.removed:
        return None
    tree = tree_of(below, store, where=where)
    settled = []
    for change in changes.present:
        if change.entry.path in _SHADOW and change.digest is not None:
            before = file_content(tree, change.entry.path, below, store, limit=_SHADOW_LIMIT) or b""
            settled.append(_settled(change, change.digest, before, store, epoch))
        else:
            settled.append(change)
    entries = step_entries(Changes(present=tuple(settled), removed=changes.removed), tree, where=where)
    if not entries:
        return None
    tar = archive(_contents(entries, store), epoch=epoch)
    return join([make_fragment(tar, store, compression)], store, compression)


def stepped(
    container: Container, changes: Changes, derivation: Derivation, store: Store, *, word: str, where: str
) -> Container:
    """Return *container* with the layer of *changes* on top, called *word*; as it was if they change nothing."""
    layer = step_layer(
        changes, container.layers, store, epoch=derivation.epoch, compression=derivation.compression, where=where
    )
    return container if layer is None else container.with_layers([(layer, word)])


def _settled(change: Change, digest: Digest, before: bytes, store: Store, epoch: int) -> Change:
    after = settled_shadow(change.entry.path, store.read(digest), before, epoch=epoch)
    entry = change.entry
    sized = Entry(path=entry.path, mode=entry.mode, uid=entry.uid, gid=entry.gid, size=len(after), xattrs=entry.xattrs)
    return Change(entry=sized, digest=store.add(after))


def _contents(entries: Sequence[StepEntry], store: Store) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    for step in entries:
        yield step.entry, store.chunks(step.digest) if step.digest and step.entry.kind == "file" else iter(())
