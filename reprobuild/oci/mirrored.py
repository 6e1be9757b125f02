"""An image of a registry that has mirrors, as a source: each mirror is asked first, the registry itself last.

What a mirror sends is held against its digest like everything else. Which digest a tag leads to is the first one's
word that knows the tag.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

from reprobuild.errors import AuthenticationError, ContentError, NetworkError, SpecificationError
from reprobuild.oci.checked import checked
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.source import DOCUMENT_LIMIT, Source, read
from reprobuild.oci.types import Descriptor

__all__ = ["Mirrored", "mirrored_reference"]

_FAILURES = (AuthenticationError, ContentError, NetworkError, SpecificationError)


def mirrored_reference(reference: RegistryReference, mirror: str) -> RegistryReference:
    """Return where *mirror*, a host and perhaps a path, has what *reference* means."""
    host, _, path = mirror.partition("/")
    repository = f"{path}/{reference.repository}" if path else reference.repository
    return RegistryReference(host=host, repository=repository, tag=reference.tag, digest=reference.digest)


class Mirrored:
    """The image that each of *sources* should have, asked in their order; a Source.

    One that fails is not asked again; the last one's error is the one that is raised.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._all = tuple(sources)

    async def resolve(self) -> Descriptor:
        """Return the descriptor that the first source has which has any."""
        for source in tuple(self._sources[:-1]):
            try:
                return await source.resolve()
            except _FAILURES:
                self._give_up(source)
        return await self._sources[-1].resolve()

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes of *descriptor*, checked; see Source. Who breaks off is followed by the next."""
        return checked(self._bytes(descriptor), descriptor)

    async def close(self) -> None:
        """Close all of them."""
        for source in self._all:
            await source.close()

    async def _bytes(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        sent = 0
        while True:
            source, passed = self._sources[0], 0
            try:
                async with aclosing(self._chunks(source, descriptor)) as chunks:
                    async for chunk in chunks:
                        rest = chunk[max(0, sent - passed) :]
                        passed += len(chunk)
                        sent += len(rest)
                        if rest:
                            yield rest
            except _FAILURES:
                if source is self._all[-1]:
                    raise
                self._give_up(source)
            else:
                return

    def _chunks(self, source: Source, descriptor: Descriptor) -> Any:
        # A small blob is known to be right before any of it is handed out.
        small = descriptor.size <= DOCUMENT_LIMIT and source is not self._all[-1]
        return _whole(source, descriptor) if small else cast("Any", source.stream(descriptor))

    def _give_up(self, source: Source) -> None:
        if source in self._sources[:-1]:
            self._sources.remove(source)


async def _whole(source: Source, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
    yield await read(source, descriptor)
