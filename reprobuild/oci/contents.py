"""The blobs that make up an image, found by following its descriptors through a store."""

from collections.abc import Iterable, Iterator

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Manifest,
    parse_index,
    parse_manifest,
)
from reprobuild.store import Store

__all__ = ["contents", "manifests"]


def contents(entries: Iterable[Descriptor], store: Store) -> Iterator[Descriptor]:
    """Yield what is below *entries* and the entries themselves, each digest once, children before parents.

    Raises ContentError if a blob is not in the store with the size that its descriptor says.
    """
    seen: set[Digest] = set()

    def below(descriptor: Descriptor) -> Iterator[Descriptor]:
        if descriptor.digest in seen:
            return
        seen.add(descriptor.digest)
        _require(descriptor, store)
        for child in _children(descriptor, store):
            yield from below(child)
        yield descriptor

    for entry in entries:
        yield from below(entry)


def manifests(descriptor: Descriptor, store: Store) -> list[Manifest]:
    """Return the manifests that *descriptor*, a manifest or an index of manifests, stands for."""
    if descriptor.media_type in MANIFEST_TYPES:
        return [parse_manifest(_document(descriptor, store), where=descriptor.digest)]
    return [found for child in _children(descriptor, store) for found in manifests(child, store)]


def _children(descriptor: Descriptor, store: Store) -> tuple[Descriptor, ...]:
    if descriptor.media_type in INDEX_TYPES:
        return parse_index(_document(descriptor, store), where=descriptor.digest).manifests
    if descriptor.media_type in MANIFEST_TYPES:
        manifest = parse_manifest(_document(descriptor, store), where=descriptor.digest)
        return (manifest.config, *manifest.layers)
    return ()


def _document(descriptor: Descriptor, store: Store) -> bytes:
    if descriptor.size > DOCUMENT_LIMIT:
        raise ContentError(f"{descriptor.size} bytes, more than {DOCUMENT_LIMIT} are not read", where=descriptor.digest)
    return store.read(descriptor.digest)


def _require(descriptor: Descriptor, store: Store) -> None:
    if not store.has(descriptor.digest, descriptor.size):
        reason = (
            f"has not {descriptor.size} bytes in the store" if descriptor.digest in store else "is not in the store"
        )
        raise ContentError(f"{descriptor.digest} {reason}", where=str(store.root), hint="run `reprobuild fetch`")
