"""Layers read straight from a source, chunk by chunk, by code that runs in a thread; nothing of them is kept."""

import math
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager

from anyio import CancelScope, current_effective_deadline, from_thread, get_cancelled_exc_class

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.image.layer_files import Readable
from reprobuild.oci.source import Source
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Task
from reprobuild.store import Store

__all__ = ["Streamed", "Ticking"]


class Streamed:
    """The blobs *layers* as `Blobs`: from *store* if it has them, else from *source*, checked as they pass.

    For threads of anyio's alone, which wait for the event loop.
    """

    def __init__(self, source: Source, layers: Mapping[Digest, Descriptor], store: Store) -> None:
        self._source = source
        self._layers = layers
        self._store = store

    @contextmanager
    def open(self, digest: Digest) -> Iterator[Readable]:
        """Open the blob *digest*, which is one of the layers."""
        layer = self._layer(digest)
        if self._store.has(digest, layer.size):
            with self._store.open(digest) as file:
                yield file
            return
        stream = self._source.stream(layer)
        try:
            yield _Stream(stream)
        finally:
            from_thread.run(_closed, stream)

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes of the blob *digest*; ContentError at the end if they are not what it says."""
        if self._store.has(digest, self._layer(digest).size):
            yield from self._store.chunks(digest)
            return
        with self.open(digest) as file:
            while chunk := file.read(-1):
                yield chunk

    def _layer(self, digest: Digest) -> Descriptor:
        if digest not in self._layers:
            raise ContentError(f"{digest} is not a layer of this image")
        return self._layers[digest]


class Ticking:
    """A task that also looks whether the thread which does it is still wanted."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def advance(self, amount: int) -> None:
        """Add *amount* to what is done; raise if it was cancelled."""
        from_thread.check_cancelled()
        self._task.advance(amount)

    def finish(self, outcome: str = "") -> None:
        """End the task."""
        self._task.finish(outcome)


class _Stream:
    """An asynchronous stream as a file to read; a chunk at a time, whatever size is asked for."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:  # noqa: ARG002
        try:
            return from_thread.run(self._next)
        except CancelledError:
            # Under its own name, what ends tasks is no error to be caught.
            from_thread.check_cancelled()
            raise

    async def _next(self) -> bytes:
        # Whatever waits in a task that began after everything was cancelled is not told, and would wait forever.
        if current_effective_deadline() == -math.inf:
            raise get_cancelled_exc_class()
        async for chunk in self._stream:
            if chunk:
                return chunk
        return b""


async def _closed(stream: AsyncIterator[bytes]) -> None:
    """Close *stream*, a generator, also if everything is cancelled."""
    with CancelScope(shield=True):
        if hasattr(stream, "aclose"):
            await stream.aclose()
