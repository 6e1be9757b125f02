"""What every sink promises, asked of every sink there is, the real Distribution registry included."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.held import Held
from reprobuild.oci.layout_sink import LayoutSink
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.sink import Sink
from reprobuild.oci.source import Source, read
from reprobuild.oci.transfer import Transferred, inventory, transfer
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.images import add_image, add_index
from tests.servers import RunningRegistry
from tests.small_registry import small_registry

pytestmark = pytest.mark.anyio

Place = tuple[Callable[[], Sink], Callable[[str], Source]]
"""Opens the sink, and what is under a tag in the same place as a source."""


@pytest.fixture(params=["layout", "registry", "registry_basic", "registry_token", "small registry"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "layout":
        folder = tmp_path / "layout"
        yield (
            lambda: LayoutSink(folder),
            lambda tag: open_source(parse_reference(f"oci:layout:{tag}"), root=tmp_path, environ={}),
        )
        return
    if request.param == "small registry":
        with small_registry() as small:
            yield _registry(small.host, "a/test", {}, tmp_path)
        return
    registry: RunningRegistry = request.getfixturevalue(request.param)
    environ = registry.login(tmp_path / "docker") if registry.user else {}
    yield _registry(registry.host, f"sinks/{tmp_path.name.replace('_', '-').lower().rstrip('-')}", environ, tmp_path)


def _registry(host: str, name: str, environ: dict[str, str], root: Path) -> Place:
    return (
        lambda: RegistrySink(host, name, environ=environ),
        lambda tag: open_source(parse_reference(f"{host}/{name}:{tag}"), root=root, environ=environ),
    )


async def _transferred(root: Descriptor, source: Source, sink: Sink) -> Transferred:
    return await transfer(await inventory(root, source), source, sink, progress=Silent(), label="test")


async def test_what_is_put_can_be_read_again_byte_for_byte(place: Place, store: Store) -> None:
    root = add_index(store)
    source, sink = Stored(root, store), place[0]()
    content = await inventory(root, source)
    done = await _transferred(root, source, sink)
    assert done == Transferred(uploaded=content.size)
    await sink.tag(root, "1.0", source)
    await sink.close()
    found = place[1]("1.0")
    again = await found.resolve()
    assert (again.digest, again.size, again.media_type) == (root.digest, root.size, root.media_type)
    for one in (*content.blobs, *content.manifests, *content.indexes):
        assert await read(found, one) == store.read(one.digest)
    await found.close()


async def test_what_is_there_is_not_sent_again(place: Place, store: Store) -> None:
    root = add_index(store)
    sink = place[0]()
    await _transferred(root, Stored(root, store), sink)
    done = await _transferred(root, Stored(root, store), sink)
    assert (done.uploaded, done.mounted) == (0, 0)
    await sink.close()


async def test_a_tag_that_is_moved(place: Place, store: Store) -> None:
    sink = place[0]()
    for root in (add_image(store), add_index(store)):
        source = Stored(root, store)
        await _transferred(root, source, sink)
        await sink.tag(root, "main", source)
        found = place[1]("main")
        assert (await found.resolve()).digest == root.digest
        await found.close()
    await sink.close()


async def test_a_tag_that_nobody_set(place: Place, store: Store) -> None:
    root = add_image(store)
    sink = place[0]()
    await _transferred(root, Stored(root, store), sink)
    await sink.tag(root, "there", Stored(root, store))
    await sink.close()
    found = place[1]("absent")
    with pytest.raises(SpecificationError):
        await found.resolve()
    await found.close()


class _Lying:
    """A source whose bytes are not what is asked for."""

    async def resolve(self) -> Descriptor:
        raise NotImplementedError

    async def stream(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        yield bytes(descriptor.size // 2)
        raise ContentError("the bytes are others", where="here")

    async def close(self) -> None:
        pass


async def test_a_source_that_lies_leaves_nothing_behind(place: Place) -> None:
    blob = Descriptor(media_type="x", digest=digest_of(b"good" * 1000), size=4000)
    sink = place[0]()
    with pytest.raises(ContentError, match="the bytes are others"):
        await sink.put(blob, _Lying())
    # It is not there: the right bytes are taken.
    assert await sink.put(blob, Held([(blob, b"good" * 1000)])) == "uploaded"
    assert await sink.put(blob, _Lying()) == "there"
    await sink.close()


async def test_several_at_once(place: Place) -> None:
    sink = place[0]()
    blobs = [bytes([number]) * 10_000 for number in range(8)]
    held = Held([(Descriptor(media_type="x", digest=digest_of(data), size=len(data)), data) for data in blobs])
    async with anyio.create_task_group() as group:
        for data in blobs * 2:
            blob = Descriptor(media_type="x", digest=digest_of(data), size=len(data))
            group.start_soon(sink.put, blob, held)
    await sink.close()
