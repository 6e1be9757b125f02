"""What is in a layer, known by its diffID and remembered: every entry, and the digest of every file.

Read once in a store's life, whoever asks first: an execution that starts from an image, a comparison of two, an
inventory of packages. A record names the blob that holds an index.

Who only asks for some files may keep a *listing*: an index under a name of its own, in which files that nobody asks for
have no digest. An index with all digests takes its place where there is one.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest, canonical_json, digest_of, parse_digest
from reprobuild.errors import ContentError
from reprobuild.image.layer_files import LayerFile, layer_files
from reprobuild.image.tree import ImageTree, node_of
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task
from reprobuild.store import Store

__all__ = [
    "IndexedFile",
    "RootLayer",
    "file_content",
    "grow",
    "hidden_paths",
    "index_rows",
    "is_indexed",
    "known_index",
    "layer_index",
    "remember_index",
    "row_file",
    "tree_of",
]

_HIDES = 7
"""The place in a row of what it hides."""
_FORMAT = 1
"""Of the blob; another one is another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootLayer:
    """A layer of a root filesystem: the blob that holds it, and the digest of its plain bytes."""

    descriptor: Descriptor
    diff_id: Digest


class IndexedFile(NamedTuple):
    """An entry of a layer as `LayerFile` has it, with the digest of a file's bytes in place of the bytes."""

    entry: Entry
    hides: str = ""
    mtime: int = 0
    digest: Digest | None = None


def layer_index(layer: RootLayer, store: Store, *, where: str, task: Task | None = None) -> tuple[IndexedFile, ...]:
    """Return what is in *layer*, in its own order; read from its blob in *store* unless an index is there.

    Blocking. Raises ContentError, naming *where*, if the blob is not such a layer.
    """
    if (known := known_index(layer.diff_id, store)) is not None:
        return known
    files = layer_files(layer.descriptor, layer.diff_id, store, where=where, task=task)
    found = tuple(_indexed(file) for file in files)
    remember_index(layer.diff_id, found, store)
    return found


def remember_index(diff_id: Digest, files: Sequence[IndexedFile], store: Store, *, listing: str = "") -> None:
    """Keep *files*, all that a layer of that *diff_id* holds, in *store*: for whoever had to read it anyway.

    They are the *listing* of that name, or, without one, all have digests.
    """
    # ASCII, since a name need not be UTF-8: tarfile gives such bytes as lone surrogates.
    value = {"format": _FORMAT, "files": [_to_json(file) for file in files]}
    # Not flushed to the disk: that would take all that was just unpacked along, and it is read by its digest only.
    with store.writer(flushed=False) as writer:
        writer.write(json.dumps(value, separators=(",", ":")).encode("ascii"))
    store.write_record("index", _key(diff_id, listing), {"blob": writer.digest})


def is_indexed(diff_id: Digest, store: Store, *, listing: str = "") -> bool:
    """Say whether *store* remembers an index of a layer, or the *listing* of that name, without reading it."""
    for key in _keys(diff_id, listing):
        record = store.record("index", key)
        try:
            if record is not None and store.has(parse_digest(record.get("blob"))):
                return True
        except ContentError:
            continue
    return False


def known_index(diff_id: Digest, store: Store, *, listing: str = "") -> tuple[IndexedFile, ...] | None:
    """Return the index that *store* remembers of a layer, or else the *listing* of that name.

    None if there is none that can be believed.
    """
    try:
        return tuple(map(row_file, rows)) if (rows := _rows(diff_id, store, listing)) is not None else None
    except (ContentError, IndexError, TypeError, ValueError):
        return None


def index_rows(layer: RootLayer, store: Store, *, where: str, listing: str = "") -> list[list[Any]]:
    """Return what `layer_index` does, each file as a row that starts with path and kind: see `row_file`.

    The *listing* of that name is as good.
    """
    if (known := _rows(layer.diff_id, store, listing)) is not None:
        return known
    return [_to_json(file) for file in layer_index(layer, store, where=where)]


def hidden_paths(layer: RootLayer, store: Store, *, where: str) -> Iterator[str]:
    """Yield what *layer* hides of those below, folders of which it hides all that they have among them."""
    return (row[0] for row in index_rows(layer, store, where=where) if row[_HIDES])


def _rows(diff_id: Digest, store: Store, listing: str = "") -> list[Any] | None:
    """Return the files of the index that *store* remembers, as `_to_json` wrote them."""
    for key in _keys(diff_id, listing):
        if (record := store.record("index", key)) is None:
            continue
        try:
            files = json.loads(store.read(parse_digest(record.get("blob"))))["files"]
        except (ContentError, KeyError, IndexError, TypeError, ValueError):
            continue
        if isinstance(files, list):
            return files
    return None


def tree_of(layers: Iterable[RootLayer], store: Store, *, where: str, task: Task | None = None) -> ImageTree:
    """Return what *layers*, lowest first, add up to, with digests and without contents."""
    tree = ImageTree()
    for number, layer in enumerate(layers):
        place = f"{where}, layer {number + 1} ({layer.descriptor.digest})"
        for file in layer_index(layer, store, where=place, task=task):
            grow(tree, file, number, where=place)
    return tree


def file_content(tree: ImageTree, path: str, layers: Sequence[RootLayer], store: Store, *, limit: int) -> bytes | None:
    """Return the bytes of the file that *path* leads to in *tree*, made of *layers*; None if it leads to no file.

    Raises ContentError for more than *limit* bytes.
    """
    found = tree.find(path)
    if found is None or found.node.kind != "file":
        return None
    if found.node.size > limit:
        raise ContentError(f"{found.node.size} bytes, more than {limit} are not read", where=path)
    layer = layers[found.node.layer]
    content = None
    for file in layer_files(layer.descriptor, layer.diff_id, store, where=path):
        if file.entry.kind == "file" and file.entry.size == found.node.size:
            data = b"".join(file.chunks())
            content = data if digest_of(data) == found.node.digest else content
    return content


def grow(tree: ImageTree, file: IndexedFile, number: int, *, where: str) -> None:
    """Put *file*, of the layer that has *number* counted from the lowest, into *tree*."""
    entry = file.entry
    if file.hides == "below":
        tree.hide_below(entry.path, layer=number)
    elif file.hides:
        tree.hide(entry.path, layer=number)
    elif entry.kind == "hardlink":
        tree.place(entry.path, tree.linked(entry.path, entry.target, where=where)._replace(layer=number))
    else:
        tree.place(entry.path, node_of(entry, layer=number, mtime=file.mtime, digest=file.digest))


def _indexed(file: LayerFile) -> IndexedFile:
    digest = None
    if file.entry.kind == "file" and not file.hides:
        hash_ = hashlib.sha256()
        for chunk in file.chunks():
            hash_.update(chunk)
        digest = Digest("sha256:" + hash_.hexdigest())
    return IndexedFile(entry=file.entry, hides=file.hides, mtime=file.mtime, digest=digest)


def _keys(diff_id: Digest, listing: str) -> list[Digest]:
    return [_key(diff_id), *([_key(diff_id, listing)] if listing else [])]


def _key(diff_id: Digest, listing: str = "") -> Digest:
    return digest_of(canonical_json(["index", _FORMAT, diff_id, *([listing] if listing else [])]))


def _to_json(file: IndexedFile) -> list[Any]:
    entry = file.entry
    rest = [entry.device, [[name, value.hex()] for name, value in entry.xattrs]]
    fixed = [entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.target]
    return [*fixed, file.hides, file.mtime, file.digest, *(rest if entry.device != (0, 0) or entry.xattrs else ())]


def row_file(row: list[Any]) -> IndexedFile:
    """Return the file that is written as *row*."""
    path, kind, mode, uid, gid, size, target, hides, mtime, digest, *rest = row
    device, xattrs = rest or ((0, 0), ())
    entry = Entry(
        path=path,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        size=size,
        target=target,
        device=(device[0], device[1]),
        xattrs=tuple((name, bytes.fromhex(value)) for name, value in xattrs),
    )
    return IndexedFile(entry=entry, hides=hides, mtime=mtime, digest=parse_digest(digest) if digest else None)
