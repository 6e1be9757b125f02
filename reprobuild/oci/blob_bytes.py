"""The bytes of one blob, in order, and again from any place: what an upload needs that goes on where it stopped."""

from collections.abc import AsyncGenerator
from typing import Any

from reprobuild.oci.source import Source
from reprobuild.oci.types import Descriptor

__all__ = ["BlobBytes"]


class BlobBytes:
    """The bytes of *descriptor* from *source*, a part at a time; only going back begins anew."""

    def __init__(self, source: Source, descriptor: Descriptor) -> None:
        self._source, self._descriptor = source, descriptor
        self._stream: Any = None
        self._held = b""
        self._position = 0

    async def part(self, start: int, count: int) -> AsyncGenerator[bytes, None]:
        """Yield the *count* bytes from *start* on; raise ContentError if they differ from what the digest says.

        The end of the blob is yielded only if all of its bytes are right.
        """
        if start < self._position or self._stream is None:
            await self.close()
            self._stream, self._held, self._position = self._source.stream(self._descriptor), b"", 0
        while self._position < start:
            await self._taken(start)
        while self._position < start + count:
            yield await self._taken(start + count)

    async def close(self) -> None:
        """Let go of the stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    async def _taken(self, end: int) -> bytes:
        """Return what comes next, up to *end* at most."""
        self._held = self._held or await anext(self._stream)
        taken = self._held[: end - self._position]
        self._held = self._held[len(taken) :]
        self._position += len(taken)
        return taken
