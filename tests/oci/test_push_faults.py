"""Hundreds of faults between us and the real Distribution registry: nothing is lost, and no tag is ever wrong."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reprobuild.errors import ReprobuildError
from reprobuild.oci.layout_sink import LayoutSink
from reprobuild.oci.publish import publish
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.registry import Registry
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.retry import Patience
from reprobuild.oci.source import Source, read
from reprobuild.oci.transfer import inventory, transfer
from reprobuild.oci.types import INDEX, Descriptor, Index
from reprobuild.progress import Silent
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.faults import FAULTS, FaultyProxy, faulty_proxy
from tests.images import AMD64, ARM64, add_document, add_image
from tests.servers import RunningRegistry

pytestmark = pytest.mark.anyio

_MOST_RUNS = 30


async def _sleep(_: float) -> None:
    pass


PATIENCE = Patience(sleep=_sleep, connect=1, read=0.25, commit=0.25)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Descriptor, Store]:
    """An image for two platforms, with layers that take more than one packet."""
    store = Store(tmp_path_factory.mktemp("faults"))
    images = tuple(
        add_image(store, platform=platform, files=[{"noise": _noise(f"{platform}{place}")} for place in range(4)])
        for platform in (AMD64, ARM64)
    )
    return add_document(Index(manifests=images).to_json(), INDEX, store), store


def _noise(seed: str) -> bytes:
    return b"".join(hashlib.sha256(f"{seed}{place}".encode()).digest() for place in range(4000))


def _source(host: str, name: str, tag: str = "1.0") -> Registry:
    return Registry(RegistryReference(host=host, repository=name, tag=tag), environ={}, patience=PATIENCE)


async def _is_whole(source: Source, root: Descriptor) -> bool:
    """Say whether the image is there; if its tag is, all of it has to be."""
    try:
        found = await source.resolve()
    except ReprobuildError:
        return False
    assert found.digest == root.digest
    content = await inventory(found, source)
    for one in (*content.blobs, *content.manifests, *content.indexes):
        assert len(await read(source, one, limit=one.size)) == one.size
    return True


async def _until_done(work: Callable[[], Awaitable[None]]) -> int:
    """Run *work* as a user would, again if it fails; return how often it failed, each time with a clear error."""
    for failures in range(_MOST_RUNS):
        try:
            await work()
        except ReprobuildError as error:
            assert error.hint
            assert error.where
        else:
            return failures
    raise AssertionError("it never came to an end")


async def _push_and_pull(proxy: FaultyProxy, registry: str, image: tuple[Descriptor, Store], folder: Path) -> None:
    root, store = image
    name = f"faults/{proxy.seed}"

    async def push() -> None:
        sink = RegistrySink(proxy.host, name, environ={}, patience=PATIENCE)
        try:
            await publish(root, ["1.0"], Stored(root, store), sink, progress=Silent())
        finally:
            await sink.close()
            direct = _source(registry, name)
            whole = await _is_whole(direct, root)
            await direct.close()
        assert whole

    async def pull() -> None:
        source, sink = _source(proxy.host, name), LayoutSink(folder)
        try:
            found = await source.resolve()
            await transfer(await inventory(found, source), source, sink, progress=Silent(), label="pull")
            await sink.tag(found, "1.0", source)
            assert found.digest == root.digest
        finally:
            await source.close()

    await _until_done(push)
    await _until_done(pull)
    for one in list(folder.glob("blobs/sha256/*")):  # noqa: ASYNC240 - a test
        assert hashlib.sha256(one.read_bytes()).hexdigest() == one.name


async def test_two_hundred_faults_lose_nothing(
    registry: RunningRegistry, image: tuple[Descriptor, Store], tmp_path: Path
) -> None:
    done: Counter[str] = Counter()
    for seed in itertools.count():
        with faulty_proxy(registry.host, seed=seed, often=4) as proxy:
            await _push_and_pull(proxy, registry.host, image, tmp_path / str(seed))
            done += proxy.done
        if done.total() >= 200 and set(done) == set(FAULTS):
            break
