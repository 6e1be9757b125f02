"""What is held in memory, remembered, or in several places, as sources."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.oci.checked import checked
from reprobuild.oci.source import DOCUMENT_LIMIT, Source, read
from reprobuild.oci.types import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from reprobuild.store import Store

__all__ = ["Completed", "Held", "Remembering"]

_MOST = 256
"""How many documents are remembered."""


class Held:
    """The blobs and manifests *held*, each with its bytes; the first is what it resolves to. A Source."""

    def __init__(self, held: Iterable[tuple[Descriptor, bytes]]) -> None:
        pairs = list(held)
        self._root = pairs[0][0]
        self._data = {descriptor.digest: data for descriptor, data in pairs}

    async def resolve(self) -> Descriptor:
        """Return the first descriptor."""
        return self._root

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        return checked(self._chunks(descriptor), descriptor)

    async def close(self) -> None:
        """Do nothing."""

    async def _chunks(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        if descriptor.digest not in self._data:
            raise ContentError(f"there is no blob {descriptor.digest}")
        yield self._data[descriptor.digest]


class Completed:
    """What *stored*, which reads *store*, has, and what it lacks from *elsewhere*, by digest; a Source.

    So layers of a base image go from one registry to another without being kept.
    """

    def __init__(self, stored: Source, store: Store, elsewhere: Mapping[Digest, Source]) -> None:
        self._stored, self._store, self._elsewhere = stored, store, elsewhere

    async def resolve(self) -> Descriptor:
        """Return what the store's source resolves to."""
        return await self._stored.resolve()

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        if self._store.has(descriptor.digest, descriptor.size):
            return self._stored.stream(descriptor)
        return self._elsewhere.get(descriptor.digest, self._stored).stream(descriptor)

    async def close(self) -> None:
        """Close all of them, each once."""
        for source in {id(source): source for source in (self._stored, *self._elsewhere.values())}.values():
            await source.close()


class Remembering:
    """What *source* has, its manifests and indexes read once: each may count against a rate limit. A Source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._documents: dict[Digest, bytes] = {}

    async def resolve(self) -> Descriptor:
        """Return what the source resolves to."""
        return await self._source.resolve()

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source."""
        if descriptor.media_type in INDEX_TYPES | MANIFEST_TYPES and descriptor.size <= DOCUMENT_LIMIT:
            return checked(self._document(descriptor), descriptor)
        return self._source.stream(descriptor)

    async def close(self) -> None:
        """Close the source."""
        await self._source.close()

    async def _document(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        if descriptor.digest not in self._documents:
            data = await read(self._source, descriptor)
            if len(self._documents) < _MOST:
                self._documents[descriptor.digest] = data
            yield data
            return
        yield self._documents[descriptor.digest]
