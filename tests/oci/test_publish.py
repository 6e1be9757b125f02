"""Publishing: the order of things, tags that stay, and what is read back."""

from collections.abc import AsyncIterator, Iterator

import pytest

from reprobuild.errors import ContentError, NetworkError
from reprobuild.oci.publish import Published, publish
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.retry import Patience
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.images import add_image, add_index
from tests.servers import Exchange, serve
from tests.small_registry import SmallRegistry, small_registry

pytestmark = pytest.mark.anyio


async def _sleep(_: float) -> None:
    pass


@pytest.fixture
def small() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


@pytest.fixture
async def sink(small: SmallRegistry) -> AsyncIterator[RegistrySink]:
    made = _sink(small.host)
    yield made
    await made.close()


def _sink(host: str) -> RegistrySink:
    return RegistrySink(host, "to", environ={}, patience=Patience(sleep=_sleep))


async def _publish(root: Descriptor, store: Store, sink: RegistrySink, *tags: str, force: bool = False) -> Published:
    return await publish(root, tags, Stored(root, store), sink, progress=Silent(), force=force)


async def test_blobs_before_manifests_before_indexes_before_tags(
    small: SmallRegistry, sink: RegistrySink, store: Store
) -> None:
    root = add_index(store)
    done = await _publish(root, store, sink, "1.0", "latest")
    assert done.tags == {"1.0": "pushed", "latest": "pushed"}
    order = [path.partition("?")[0].partition("/v2/to/")[2] for method, path, _ in small.answered if method == "PUT"]
    # A PUT may be sent again: what counts is what comes before what.
    kinds = [one.partition("/")[0] for one in order]
    assert kinds == sorted(kinds)
    assert {*kinds} == {"blobs", "manifests"}
    assert len(small.blobs) == 4
    assert order[-3:] == [f"manifests/{root.digest}", "manifests/1.0", "manifests/latest"]
    assert small.tags == {("to", "1.0"): root.digest, ("to", "latest"): root.digest}


async def test_a_version_stays_where_it_is(small: SmallRegistry, sink: RegistrySink, store: Store) -> None:
    old, new = add_image(store), add_index(store)
    await _publish(old, store, sink, "1.0", "main")
    sent = len(small.statuses("PUT"))
    with pytest.raises(ContentError, match="the tag is there with other content") as caught:
        await _publish(new, store, sink, "1.0")
    assert "--force" in (caught.value.hint or "")
    assert (caught.value.where or "").endswith("/to:1.0")
    assert len(small.statuses("PUT")) == sent  # Nothing was sent, either.
    assert (await _publish(new, store, sink, "main")).tags == {"main": "moved"}
    assert (await _publish(new, store, sink, "1.0", force=True)).tags == {"1.0": "moved"}
    assert (await _publish(new, store, sink, "1.0")).tags == {"1.0": "there"}


async def test_of_two_pushes_at_a_time_the_second_gives_way(small: SmallRegistry, store: Store) -> None:
    mine, theirs = add_index(store), add_image(store)

    def answer(exchange: Exchange) -> None:
        if exchange.method == "PUT" and "/manifests/" in exchange.path:
            # While we push, somebody else comes first.
            small.tags["to", "1.0"] = theirs.digest
            small.manifests["to", theirs.digest] = (theirs.media_type, store.read(theirs.digest))
        small.answer(exchange)

    with serve(answer) as server:
        sink = _sink(server.host)
        with pytest.raises(ContentError, match="the tag is there with other content"):
            await _publish(mine, store, sink, "1.0")
        await sink.close()
    assert small.tags["to", "1.0"] == theirs.digest


async def test_a_tag_that_is_taken_from_us_at_once_is_noticed(small: SmallRegistry, store: Store) -> None:
    mine, theirs = add_index(store), add_image(store)

    def answer(exchange: Exchange) -> None:
        small.answer(exchange)
        if exchange.method == "PUT" and exchange.path.endswith("/1.0"):
            small.tags["to", "1.0"] = theirs.digest
            small.manifests["to", theirs.digest] = (theirs.media_type, store.read(theirs.digest))

    with serve(answer) as server:
        sink = _sink(server.host)
        with pytest.raises(ContentError, match="the tag leads to") as caught:
            await _publish(mine, store, sink, "1.0")
        await sink.close()
    assert "at the same time" in (caught.value.hint or "")


async def test_a_registry_that_serves_something_else_is_noticed(small: SmallRegistry, store: Store) -> None:
    root = add_index(store)

    def answer(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith(root.digest):
            exchange.send(200, bytes(root.size), Content_Type=root.media_type)
        else:
            small.answer(exchange)

    with serve(answer) as server:
        sink = _sink(server.host)
        with pytest.raises(ContentError, match=f"not {root.digest}"):
            await _publish(root, store, sink, "1.0")
        await sink.close()
    assert ("to", "1.0") not in small.tags


async def test_a_registry_that_takes_a_moment(small: SmallRegistry, store: Store) -> None:
    root, late = add_index(store), [1, 1]

    def answer(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith("/1.0") and small.tags and late:
            late.pop()
            exchange.send(404)
        else:
            small.answer(exchange)

    with serve(answer) as server:
        sink = _sink(server.host)
        assert (await _publish(root, store, sink, "1.0")).tags == {"1.0": "pushed"}
        await sink.close()
    assert late == []


async def test_a_blob_that_somebody_deletes_meanwhile(small: SmallRegistry, store: Store) -> None:
    root = add_index(store)

    def answer(exchange: Exchange) -> None:
        if exchange.method == "PUT" and "/manifests/" in exchange.path:
            small.blobs.clear()
        small.answer(exchange)

    with serve(answer) as server:
        sink = _sink(server.host)
        with pytest.raises((ContentError, NetworkError), match="lacks a blob"):
            await _publish(root, store, sink, "1.0")
        await sink.close()
    assert not small.tags
