"""Layers that are read from a source in a thread: checked, closed, and given up when nobody wants them any more."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio import to_thread

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.oci.checked import checked
from reprobuild.oci.types import LAYER_TAR, Descriptor
from reprobuild.store import Store
from reprobuild.verify.streamed import Streamed

pytestmark = pytest.mark.anyio

DATA = b"12345"
LAYER = Descriptor(media_type=LAYER_TAR, digest=digest_of(DATA), size=len(DATA))


class _Source:
    """A source of one blob, a byte at a time; counts how often it was closed."""

    def __init__(self, data: bytes = DATA, scope: anyio.CancelScope | None = None) -> None:
        self.data, self.scope, self.closed = data, scope, 0

    async def resolve(self) -> Descriptor:
        return LAYER

    async def _bytes(self) -> AsyncIterator[bytes]:
        try:
            for place in range(len(self.data)):
                await to_thread.run_sync(int)
                if place == 2 and self.scope is not None:
                    self.scope.cancel()
                yield self.data[place : place + 1]
        finally:
            self.closed += 1

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        return checked(self._bytes(), descriptor)  # type: ignore[arg-type]

    async def close(self) -> None:
        return None


def _read(streamed: Streamed) -> bytes:
    with streamed.open(LAYER.digest) as file:
        return b"".join(iter(lambda: file.read(9), b""))


async def test_a_blob_is_read_chunk_by_chunk(store: Store) -> None:
    source = _Source()
    streamed = Streamed(source, {LAYER.digest: LAYER}, store)
    assert await to_thread.run_sync(_read, streamed) == DATA
    assert await to_thread.run_sync(lambda: b"".join(streamed.chunks(LAYER.digest))) == DATA
    assert source.closed == 2
    assert LAYER.digest not in store


async def test_what_the_store_has_is_read_there(store: Store) -> None:
    store.add(DATA)
    source = _Source()
    assert await to_thread.run_sync(_read, Streamed(source, {LAYER.digest: LAYER}, store)) == DATA
    assert source.closed == 0


async def test_other_bytes_are_refused(store: Store) -> None:
    with pytest.raises(ContentError, match="the bytes are"):
        await to_thread.run_sync(_read, Streamed(_Source(b"54321"), {LAYER.digest: LAYER}, store))


async def test_a_blob_of_another_image_is_refused(store: Store) -> None:
    with pytest.raises(ContentError, match="not a layer of this image"):
        await to_thread.run_sync(_read, Streamed(_Source(), {}, store))


async def test_a_blob_may_be_left_early(store: Store) -> None:
    source = _Source()

    def begin(streamed: Streamed) -> bytes:
        with streamed.open(LAYER.digest) as file:
            return file.read(9)

    assert await to_thread.run_sync(begin, Streamed(source, {LAYER.digest: LAYER}, store)) == b"1"
    assert source.closed == 1


async def test_a_thread_that_reads_ends_when_it_is_cancelled(store: Store) -> None:
    with anyio.fail_after(30), anyio.CancelScope() as scope:
        source = _Source(scope=scope)
        async with anyio.create_task_group() as group:
            group.start_soon(to_thread.run_sync, _read, Streamed(source, {LAYER.digest: LAYER}, store))
    assert scope.cancelled_caught
    assert source.closed == 1
