"""One layer, read once: its index, and what an inventory takes of its files, go into the store.

Imports little, since processes do it that are started for this alone.
"""

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from reprobuild.canonical import Digest, digest_of
from reprobuild.image.elf import scan
from reprobuild.image.index import IndexedFile, RootLayer, known_index, remember_index
from reprobuild.image.layer_files import Blobs, LayerFile, layer_files
from reprobuild.progress import Silent, Task
from reprobuild.resolver.interpreter import is_program
from reprobuild.sbom.program import remember_program
from reprobuild.sbom.shared_layers import Wanted
from reprobuild.store import Store

__all__ = ["LARGEST", "SMALL", "WantedLayer", "read_alone", "read_layer"]

LARGEST = 128 * 1024**2
"""Bytes of a file whose contents are wanted; the largest are databases of rpm."""
SMALL = 64 * 1024
"""Bytes of a file that is held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLayer:
    """A layer to be read, the files of it whose contents are wanted, and what errors call it."""

    layer: RootLayer
    wanted: Wanted
    where: str


def read_alone(layer: WantedLayer, root: str) -> None:
    """Read *layer*, which is in the store at *root*: what a process does that has nothing else to do."""
    # As in the process that started it: nearly all that is made here stays until the layer is read.
    gc.disable()
    store = Store(Path(root))
    read_layer(layer, store, store, None, Silent())


def read_layer(one: WantedLayer, blobs: Blobs, store: Store, wanted: Mapping[Digest, bool] | None, task: Task) -> None:
    """Read a layer: whole, or for the files *wanted* by digest, each with whether it is a program."""
    layer = one.layer
    # Closed here, in this thread, also when a file cannot be read to its end: the bytes may come from a source.
    with closing(layer_files(layer.descriptor, layer.diff_id, blobs, where=one.where, task=task)) as files:
        if wanted is None:
            found = tuple(_indexed(file, one.wanted, store) for file in files)
            remember_index(layer.diff_id, found, store, listing=one.wanted.listing)
            return
        index = known_index(layer.diff_id, store, listing=one.wanted.listing) or ()
        programs = {file.entry.path: wanted[file.digest] for file in index if file.digest and file.digest in wanted}
        for file in files:
            if file.entry.path in programs and file.entry.kind == "file":
                _kept(file, store, program=programs[file.entry.path])


def _indexed(file: LayerFile, wanted: Wanted, store: Store) -> IndexedFile:
    entry, digest = file.entry, None
    if entry.kind == "file" and not file.hides:
        program = is_program(entry.path)
        is_kept = program or (wanted.is_kept(entry.path) and entry.size <= LARGEST)
        if is_kept:
            digest = _kept(file, store, program=program)
        elif not wanted.listing:
            digest = _hashed(file)
    return IndexedFile(entry=entry, hides=file.hides, mtime=file.mtime, digest=digest)


def _hashed(file: LayerFile) -> Digest:
    found = hashlib.sha256()
    for chunk in file.chunks():
        found.update(chunk)
    return Digest("sha256:" + found.hexdigest())


def _kept(file: LayerFile, store: Store, *, program: bool) -> Digest:
    """Have in *store* what an inventory takes of *file*, and return its digest."""
    if not program and file.entry.size <= SMALL:
        data = b"".join(file.chunks())
        # Images of a fleet have most of these in common.
        digest = digest_of(data)
        if not store.has(digest, len(data)):
            with store.writer(digest, flushed=False) as writer:
                writer.write(data)
        return digest
    if not program:
        with store.writer(flushed=False) as writer:
            for chunk in file.chunks():
                writer.write(chunk)
        return writer.digest
    found = hashlib.sha256()

    def passing() -> Iterator[bytes]:
        for chunk in file.chunks():
            found.update(chunk)
            yield chunk

    chunks = passing()
    elf = scan(chunks)
    for _ in chunks:
        pass  # What is no program is not read to its end.
    digest = Digest("sha256:" + found.hexdigest())
    remember_program(digest, elf, store)
    return digest
