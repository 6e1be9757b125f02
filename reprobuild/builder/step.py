"""The layer of a step: what it changed, held against the image below and written as tar into the store."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reprobuild.builder.container import Container
from reprobuild.builder.fragment import make_fragment
from reprobuild.builder.layer import join
from reprobuild.builder.masked import is_masked, settled_shadow
from reprobuild.builder.step_layer import StepEntry, step_entries
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.engines.execution import Change, Changes
from reprobuild.image.index import RootLayer, file_content, tree_of
from reprobuild.image.partial_tree import tree_at
from reprobuild.image.tree import ImageTree
from reprobuild.store import Store

__all__ = ["stepped", "stepped_within"]

_SHADOW = ("etc/shadow", "etc/shadow-")
_SHADOW_LIMIT = 1024 * 1024


def stepped(
    container: Container, changes: Changes, derivation: Derivation, store: Store, *, word: str, where: str
) -> Container:
    """Return *container* with the layer of *changes* on top, called *word*; as it was if they change nothing.

    Blocking. Contents of changed files are in *store*, and the layer is afterwards. Raises ContentError, naming
    *where*, for what no layer can hold.
    """
    if not changes.present and not changes.removed:
        return container
    below = container.running
    paths = {change.entry.path for change in changes.present}
    few = not changes.removed and paths.isdisjoint(_SHADOW)
    tree = tree_at(below, store, paths, where=where) if few else tree_of(below, store, where=where)
    settled = _all_settled(changes, tree, below, store, derivation.epoch)
    layer = _layer(step_entries(settled, tree, where=where), derivation, store)
    return container if layer is None else container.with_layers([(layer, word)])


def stepped_within(
    container: Container, changes: Changes, derivation: Derivation, store: Store, *, word: str, where: str
) -> Container:
    """Do what `stepped` does, and keep what is masked for the next step: its root is more than its image."""
    after = stepped(container, changes, derivation, store, word=word, where=where)
    paths = [*(change.entry.path for change in changes.present), *changes.removed]
    kept = after.layers[len(container.layers) :]
    if any(map(is_masked, paths)):
        tree = tree_of(container.running, store, where=where)
        whole = _layer(step_entries(changes, tree, where=where, masked=_nothing), derivation, store)
        kept = () if whole is None else (whole,)
    return replace(after, root=(*container.running, *kept))


def _nothing(_: str) -> bool:
    return False


def _layer(entries: Sequence[StepEntry], derivation: Derivation, store: Store) -> RootLayer | None:
    if not entries:
        return None
    tar = archive(_contents(entries, store), epoch=derivation.epoch)
    return join([make_fragment(tar, store, derivation.compression)], store, derivation.compression)


def _all_settled(changes: Changes, tree: ImageTree, below: Sequence[RootLayer], store: Store, epoch: int) -> Changes:
    settled = []
    for change in changes.present:
        if change.entry.path in _SHADOW and change.digest is not None:
            before = file_content(tree, change.entry.path, below, store, limit=_SHADOW_LIMIT) or b""
            settled.append(_settled(change, change.digest, before, store, epoch))
        else:
            settled.append(change)
    return Changes(present=tuple(settled), removed=changes.removed)


def _settled(change: Change, digest: Digest, before: bytes, store: Store, epoch: int) -> Change:
    after = settled_shadow(change.entry.path, store.read(digest), before, epoch=epoch)
    entry = change.entry
    sized = Entry(path=entry.path, mode=entry.mode, uid=entry.uid, gid=entry.gid, size=len(after), xattrs=entry.xattrs)
    return Change(entry=sized, digest=store.add(after))


def _contents(entries: Sequence[StepEntry], store: Store) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    for step in entries:
        yield step.entry, store.chunks(step.digest) if step.digest and step.entry.kind == "file" else iter(())
