"""An image in the store as a source, like one in a registry or on disk."""

from collections.abc import AsyncGenerator, AsyncIterator

from reprobuild.canonical import Digest, parse_json
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.checked import checked
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from reprobuild.store import Store

__all__ = ["Stored", "stored_descriptor"]


class Stored:
    """The image with the descriptor *root* in *store*; a Source."""

    def __init__(self, root: Descriptor, store: Store) -> None:
        self._root = root
        self._store = store

    async def resolve(self) -> Descriptor:
        """Return the descriptor."""
        return self._root

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        return checked(self._chunks(descriptor.digest), descriptor, where=str(self._store.root))

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    async def _chunks(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        if digest not in self._store:
            hint = "it may be a base layer, which a build does not need: run `reprobuild fetch`"
            raise ContentError(f"{digest} is not in the store", where=str(self._store.root), hint=hint)
        for chunk in self._store.chunks(digest):
            yield chunk


def stored_descriptor(digest: Digest, store: Store) -> Descriptor:
    """Return the descriptor of the manifest or index *digest* in *store*; SpecificationError if it is none there."""
    where = f"store:{digest}"
    if digest not in store:
        hint = "`reprobuild build` prints the digests of what it has put there"
        raise SpecificationError("the store has no such image", where=where, hint=hint)
    size = store.path(digest).stat().st_size
    media_type = parse_json(store.read(digest), where=where).get("mediaType") if size <= DOCUMENT_LIMIT else None
    if media_type not in INDEX_TYPES | MANIFEST_TYPES:
        raise SpecificationError("it is no index and no manifest", where=where, hint="name an image by its digest")
    return Descriptor(media_type=str(media_type), digest=digest, size=size)
