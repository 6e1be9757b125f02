"""The seam through which images are read, whatever holds them.

A source answers two questions and believes nothing: bytes are checked against digest and size before the
last of them is handed out, so that whoever consumed a whole stream holds what the descriptor promised.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from reprobuild.errors import ContentError
from reprobuild.oci.types import Descriptor

__all__ = ["DOCUMENT_LIMIT", "Source", "read"]

DOCUMENT_LIMIT = 4 * 1024 * 1024
"""The largest manifest, index or config that is read, in bytes (Distribution's own limit for manifests)."""


class Source(Protocol):
    """Something that images can be read from: a registry repository, a layout, an archive."""

    async def resolve(self) -> Descriptor:
        """Return the descriptor of what the reference names: an index or a manifest."""
        ...

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Yield the bytes that *descriptor* stands for; raise ContentError if they differ from its digest or size."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...


async def read(source: Source, descriptor: Descriptor, *, limit: int = DOCUMENT_LIMIT) -> bytes:
    """Return the whole of *descriptor*, which may hold *limit* bytes at most."""
    if descriptor.size > limit:
        raise ContentError(f"{descriptor.digest} has {descriptor.size} bytes, more than {limit} are not read")
    return b"".join([chunk async for chunk in source.stream(descriptor)])
