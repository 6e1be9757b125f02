"""Layers: one fragment as it is, or several joined."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from weakref import WeakKeyDictionary

from reprobuild.builder.compress import Compression, decompressor, end_member
from reprobuild.builder.fragment import Fragment, parse_fragment
from reprobuild.builder.repeats import Spans, spans, without_repeats
from reprobuild.canonical import Digest, canonical_json, digest_of, parse_digest
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import LAYER_GZIP, LAYER_ZSTD, Descriptor
from reprobuild.store import Store

__all__ = ["Members", "join", "known_layer", "parts_of"]

_PARSED: "WeakKeyDictionary[Store, dict[Digest, RootLayer]]" = WeakKeyDictionary()
"""Records that were read before: images of a fleet ask for the same ones."""


class Members:
    """The members of fragments in *store*, compressed and inflated, which many layers may be joined of.

    What was read is kept as long as it is little in all, so that a fleet inflates nothing twice. Safe for threads.
    """

    def __init__(self, store: Store, compression: Compression, *, most: int = 0) -> None:
        self._store, self._inflate = store, decompressor(compression)
        self._last = end_member(compression)[1]
        self._room, self._lock = most, threading.Lock()
        self._kept: dict[Digest, list[tuple[bytes, bytes]]] = {}
        self._spans: dict[Digest, Spans] = {}

    def of(self, fragment: Fragment) -> Iterator[tuple[bytes, bytes]]:
        """Yield each member but the closing one with its block; ContentError for a fragment that is damaged."""
        if (known := self._kept.get(fragment.blob)) is not None:
            yield from known
            return
        # Its inflated size is not known before; few fragments are more than ten times as large.
        read: list[tuple[bytes, bytes]] | None = [] if fragment.size * 11 <= self._room else None
        for member in _members(fragment, self._store, self._last):
            pair = member, _inflated(member, self._inflate, fragment, self._store)
            if read is not None:
                read.append(pair)
            yield pair
        if read is not None:
            self._keep(fragment.blob, read)

    def blocks(self, fragment: Fragment) -> Iterator[bytes]:
        """Yield the fragment's tar bytes; see `of`."""
        return (block for _, block in self.of(fragment))

    def spans(self, fragment: Fragment) -> Spans:
        """Return where the fragment's entries stand in its tar bytes; they are looked for once."""
        if (known := self._spans.get(fragment.blob)) is None:
            found = tuple(spans(self.blocks(fragment)))
            known = self._spans[fragment.blob] = Spans(spans=found, paths=frozenset(span.path for span in found))
        return known

    def _keep(self, blob: Digest, read: list[tuple[bytes, bytes]]) -> None:
        size = sum(len(member) + len(block) for member, block in read)
        with self._lock:
            if size <= self._room and blob not in self._kept:
                self._room -= size
                self._kept[blob] = read


def join(
    fragments: Sequence[Fragment],
    store: Store,
    compression: Compression,
    members: Members | None = None,
    *,
    once: bool = False,
) -> RootLayer:
    """Return the layer that holds *fragments* in order; it is made once for each list of fragments.

    Every byte is hashed on the way, compressed and inflated, and none is compressed again, but for fragments that
    repeat what an earlier one holds: *once* leaves that out. *members* reads them.
    """
    if (known := known_layer(fragments, store, compression, once=once)) is not None:
        return known
    members = members or Members(store, compression)
    parts = without_repeats(fragments, store, compression, members) if once else tuple(fragments)
    layer = _join(parts, store, compression, members)
    value = {"digest": layer.descriptor.digest, "size": layer.descriptor.size, "diffID": layer.diff_id}
    if parts != tuple(fragments):
        value["parts"] = [part.to_json() for part in parts]
    store.write_record("layer", _key(fragments, once=once), value)
    return layer


def known_layer(
    fragments: Sequence[Fragment], store: Store, compression: Compression, *, once: bool = False
) -> RootLayer | None:
    """Return the layer that holds *fragments*, which are in *store*, if it is there too; None if it has to be made."""
    if len(fragments) == 1:
        only = fragments[0]
        return _layer(_media_type(compression), only.blob, only.size, only.diff_id)
    key, known = _key(fragments, once=once), _PARSED.setdefault(store, {})
    if (layer := known.get(key)) is None and (record := store.record("layer", key)) is not None:
        digest, size = parse_digest(record.get("digest")), int(record.get("size", -1))
        layer = known[key] = _layer(_media_type(compression), digest, size, parse_digest(record.get("diffID")))
    return layer if layer is not None and store.has(layer.descriptor.digest, layer.descriptor.size) else None


def parts_of(fragments: Sequence[Fragment], store: Store, *, once: bool = False) -> tuple[Fragment, ...]:
    """Return what the layer of *fragments*, which `known_layer` knows, was joined of; none if that is not there."""
    parts = ((store.record("layer", _key(fragments, once=once)) or {}) if once else {}).get("parts")
    try:
        found = tuple(fragments) if parts is None else tuple(parse_fragment(part) for part in parts)
    except (ContentError, TypeError, AttributeError):
        return ()
    return found if all(store.has(part.blob, part.size) for part in found) else ()


def _key(fragments: Sequence[Fragment], *, once: bool) -> Digest:
    return digest_of(canonical_json([*(["once"] if once else []), *(fragment.blob for fragment in fragments)]))


def _media_type(compression: Compression) -> str:
    return LAYER_GZIP if compression == "gzip" else LAYER_ZSTD


def _layer(media_type: str, digest: Digest, size: int, diff_id: Digest) -> RootLayer:
    return RootLayer(descriptor=Descriptor(media_type=media_type, digest=digest, size=size), diff_id=diff_id)


def _join(fragments: Sequence[Fragment], store: Store, compression: Compression, members: Members) -> RootLayer:
    end, last = end_member(compression)
    uncompressed = hashlib.sha256()
    # Not flushed to the disk: it is quickly made again of fragments, which are, and everybody checks its digest.
    with store.writer(flushed=False) as writer:
        for fragment in fragments:
            for member, block in members.of(fragment):
                uncompressed.update(block)
                writer.write(member)
        uncompressed.update(end)
        writer.write(last)
        digest, size = writer.digest, writer.size
    return _layer(_media_type(compression), digest, size, Digest("sha256:" + uncompressed.hexdigest()))


def _members(fragment: Fragment, store: Store, last: bytes) -> Iterator[bytes]:
    """Yield the members of a fragment but the closing one; a blob that is damaged leaves the store."""
    found = hashlib.sha256()
    with store.open(fragment.blob) as file:
        for length in fragment.members:
            member = file.read(length)
            found.update(member)
            yield member
        found.update(file.read(len(last)))
    if "sha256:" + found.hexdigest() != fragment.blob:
        raise store.damaged(fragment.blob)


def _inflated(member: bytes, inflate: Callable[[bytes], bytes], fragment: Fragment, store: Store) -> bytes:
    try:
        return inflate(member)
    except ContentError as error:
        raise store.damaged(fragment.blob) from error
