"""Sources in memory, and the bytes of a blob in parts."""

from collections.abc import AsyncGenerator, AsyncIterator

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.oci.blob_bytes import BlobBytes
from reprobuild.oci.held import Completed, Held, Remembering
from reprobuild.oci.source import read
from reprobuild.oci.types import MANIFEST, Descriptor
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.images import add_image


def _blob(data: bytes, media_type: str = "x") -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))


class Counting(Held):
    """Counts how often it is read from the beginning, and hands out small pieces."""

    begun = 0

    async def _chunks(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        self.begun += 1
        data = self._data[descriptor.digest]
        for start in range(0, len(data), 7):
            yield data[start : start + 7]


@settings(max_examples=40)
@given(
    data=st.binary(min_size=1, max_size=60),
    places=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8),
)
def test_any_part_in_any_order(data: bytes, places: list[tuple[int, int]]) -> None:
    async def check() -> None:
        source = Counting([(_blob(data), data)])
        read_ = BlobBytes(source, _blob(data))
        position = returns = 0
        for wanted, most in places:
            start = min(wanted, len(data))
            count = min(most, len(data) - start)
            returns += start < position
            assert b"".join([chunk async for chunk in read_.part(start, count)]) == data[start : start + count]
            position = start + count
        # Only going back begins anew.
        assert source.begun <= 1 + returns
        await read_.close()

    anyio.run(check)


@pytest.mark.anyio
async def test_documents_are_read_once_and_blobs_as_often_as_asked() -> None:
    document, blob = b"{}", b"blob" * 10
    manifest = _blob(document, MANIFEST)
    source = Counting([(manifest, document), (_blob(blob), blob)])
    remembering = Remembering(source)
    for _ in range(3):
        assert await read(remembering, manifest) == document
        assert await read(remembering, _blob(blob)) == blob
    assert source.begun == 4


@pytest.mark.anyio
async def test_what_the_store_lacks_comes_from_elsewhere(store: Store) -> None:
    root = add_image(store)
    data = b"a layer of the base"

    class Elsewhere(Held):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

        def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
            assert not store.has(descriptor.digest)
            return super().stream(descriptor)

    elsewhere = Elsewhere([(_blob(data), data)])
    other = digest_of(b"another")
    source = Completed(
        Stored(root, store), store, {_blob(data).digest: elsewhere, root.digest: elsewhere, other: elsewhere}
    )
    assert await source.resolve() == root
    assert await read(source, root) == store.read(root.digest)
    assert await read(source, _blob(data)) == data
    with pytest.raises(ContentError, match="is not in the store"):
        await read(source, _blob(b"nowhere"))
    await source.close()
    assert elsewhere.closed == 1
