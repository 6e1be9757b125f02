"""Mirrors are asked first, believed no more than others, and passed over when they fail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, NetworkError
from reprobuild.oci.mirrored import Mirrored, mirrored_reference
from reprobuild.oci.open import open_source
from reprobuild.oci.publish import publish
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.registries import Registries, RegistrySettings
from reprobuild.oci.registry import Registry
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.retry import Patience
from reprobuild.oci.source import read
from reprobuild.oci.transfer import inventory
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.images import add_image
from tests.servers import Exchange, serve
from tests.small_registry import SmallRegistry, small_registry

pytestmark = pytest.mark.anyio


@pytest.fixture
def origin() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


async def _pushed(store: Store, host: str, name: str = "library/python") -> Descriptor:
    root = add_image(store, files=[{"large": bytes(range(256)) * 50_000}])
    sink = RegistrySink(host, name, environ={})
    await publish(root, ["1"], Stored(root, store), sink, progress=Silent())
    await sink.close()
    return root


async def _everything(root: Descriptor, source: Mirrored) -> None:
    try:
        assert (await source.resolve()).digest == root.digest
        for blob in (await inventory(root, source)).blobs:
            assert len(await read(source, blob, limit=10**8)) == blob.size
    finally:
        await source.close()


async def test_a_mirror_is_asked_and_the_registry_is_not(store: Store, origin: SmallRegistry, tmp_path: Path) -> None:
    with small_registry() as mirror:
        root = await _pushed(store, mirror.host, "docker-hub/library/python")
        settings = {origin.host: RegistrySettings(mirrors=(f"{mirror.host}/docker-hub",))}
        reference = parse_reference(f"{origin.host}/library/python:1")
        source = open_source(reference, root=tmp_path, environ={}, registries=Registries(hosts=settings))
        assert isinstance(source, Mirrored)
        await _everything(root, source)
    assert origin.answered == []


def _faulty(answers: list[Callable[[Exchange], None]], mirror: SmallRegistry) -> Callable[[Exchange], None]:
    def answer(exchange: Exchange) -> None:
        (answers.pop(0) if answers else mirror.answer)(exchange)

    return answer


def _source(mirror: str, origin: str) -> Mirrored:
    async def sleep(_: float) -> None:
        pass

    patience = Patience(sleep=sleep, connect=1, read=0.5, tries=2)
    reference = RegistryReference(host=origin, repository="library/python", tag="1")
    places = [mirrored_reference(reference, mirror), reference]
    return Mirrored([Registry(place, environ={}, patience=patience) for place in places])


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_a_mirror_that_does_not_have_it(store: Store, origin: SmallRegistry, status: int) -> None:
    root = await _pushed(store, origin.host)
    with serve(lambda exchange: exchange.send(status)) as mirror:
        await _everything(root, _source(mirror.host, origin.host))


async def test_a_mirror_that_is_not_there(store: Store, origin: SmallRegistry) -> None:
    root = await _pushed(store, origin.host)
    await _everything(root, _source("127.0.0.1:1", origin.host))


async def test_a_mirror_that_breaks_off_is_followed_by_the_registry(store: Store, origin: SmallRegistry) -> None:
    root = await _pushed(store, origin.host)

    def answer(exchange: Exchange) -> None:
        if "/blobs/" in exchange.path:
            data = origin.blobs["library/python", exchange.path.rpartition("/")[2]]
            exchange.send(200, data[: len(data) // 2], length=len(data))
        else:
            origin.answer(exchange)

    with serve(answer) as mirror:
        await _everything(root, _source(mirror.host, origin.host))


async def test_a_mirror_that_lies_changes_nothing(store: Store, origin: SmallRegistry) -> None:
    root = await _pushed(store, origin.host)
    content = await inventory(root, Stored(root, store))
    small = next(blob for blob in content.blobs if blob.size < 10_000)

    def answer(exchange: Exchange) -> None:
        if "/blobs/" in exchange.path:
            exchange.send(200, bytes(len(origin.blobs["library/python", exchange.path.rpartition("/")[2]])))
        else:
            origin.answer(exchange)

    with serve(answer) as mirror:
        source = _source(mirror.host, origin.host)
        assert await read(source, small) == store.read(small.digest)
        await source.close()


async def test_without_the_registry_its_error_is_told(origin: SmallRegistry) -> None:
    source = _source("127.0.0.1:1", "127.0.0.1:2")
    with pytest.raises(NetworkError) as caught:
        await source.resolve()
    assert "127.0.0.1:2" in str(caught.value)
    await source.close()


async def test_a_digest_that_nobody_has(store: Store, origin: SmallRegistry) -> None:
    await _pushed(store, origin.host)
    source = _source("127.0.0.1:1", origin.host)
    absent = Descriptor(media_type="x", digest=digest_of(b"absent"), size=5)
    with pytest.raises(ContentError):
        await read(source, absent)
    await source.close()
