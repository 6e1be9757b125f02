"""Layers → their entries, and the contents of their small files on a spool: each layer read once, if at all."""

import hashlib
from collections.abc import Callable, Iterator

from reprobuild.canonical import Digest, digest_of, hex_of
from reprobuild.errors import ContentError
from reprobuild.image.index import IndexedFile, RootLayer, remember_index
from reprobuild.image.layer_files import Blobs, LayerFile, layer_files
from reprobuild.image.plain import STEP, plain
from reprobuild.progress import Task
from reprobuild.store import Store
from reprobuild.verify.places import is_telling
from reprobuild.verify.spool import Spool

__all__ = ["check_plain", "plain_bytes", "read_entries", "spool_contents"]

_NOT_TOGETHER = "config and layers do not belong together; use another image, or ask whoever publishes it"


def read_entries(
    layer: RootLayer, blobs: Blobs, store: Store, spool: Spool, *, where: str, task: Task
) -> tuple[IndexedFile, ...]:
    """Return what is in *layer*; its index goes to *store*, the contents that may be asked for to *spool*. Blocking.

    Raises ContentError, naming *where*, for what is not such a layer.
    """
    files = layer_files(layer.descriptor, layer.diff_id, blobs, where=where, task=task)
    found = tuple(_indexed(file, spool, is_telling) for file in files)
    remember_index(layer.diff_id, found, store)
    return found


def spool_contents(
    layer: RootLayer, blobs: Blobs, spool: Spool, paths: frozenset[str], *, where: str, task: Task
) -> None:
    """Put the contents of *paths* of *layer* on *spool*. Blocking; ContentError as with `read_entries`."""

    def is_wanted(path: str, size: int) -> bool:
        return path in paths and is_telling(path, size)

    for file in layer_files(layer.descriptor, layer.diff_id, blobs, where=where, task=task):
        if is_wanted(file.entry.path, file.entry.size):
            _indexed(file, spool, is_wanted)


def check_plain(layer: RootLayer, blobs: Blobs, *, where: str, task: Task) -> None:
    """Raise ContentError unless the plain bytes of *layer* have its diffID. Blocking."""
    found = hashlib.sha256()
    for piece in plain_bytes(layer, blobs, where=where, task=task):
        found.update(piece)
    if found.hexdigest() != hex_of(layer.diff_id):
        message = f"its plain bytes are sha256:{found.hexdigest()}, the config says {layer.diff_id}"
        raise ContentError(message, where=where, hint=_NOT_TOGETHER)


def plain_bytes(layer: RootLayer, blobs: Blobs, *, where: str, task: Task) -> Iterator[bytes]:
    """Yield the plain bytes of *layer*, unchecked. Blocking."""

    def compressed() -> Iterator[bytes]:
        with blobs.open(layer.descriptor.digest) as file:
            while chunk := file.read(STEP):
                task.advance(len(chunk))
                yield chunk

    return plain(layer.descriptor, compressed(), where=where)


def _indexed(file: LayerFile, spool: Spool, is_kept: Callable[[str, int], bool]) -> IndexedFile:
    entry = file.entry
    if entry.kind != "file" or file.hides:
        return IndexedFile(entry=entry, hides=file.hides, mtime=file.mtime)
    if is_kept(entry.path, entry.size):
        data = b"".join(file.chunks())
        digest = digest_of(data)
        spool.add(digest, data)
    else:
        found = hashlib.sha256()
        for chunk in file.chunks():
            found.update(chunk)
        digest = Digest("sha256:" + found.hexdigest())
    return IndexedFile(entry=entry, mtime=file.mtime, digest=digest)
