"""What refers to an image: listed by the registry, by a tag where it does not, and copied along."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from reprobuild.errors import ContentError, NetworkError
from reprobuild.oci.held import Held
from reprobuild.oci.layout import Folder, Layout
from reprobuild.oci.layout_sink import LayoutSink
from reprobuild.oci.referrers import push_referrer, referrers
from reprobuild.oci.referring import copy_referrers
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.transfer import inventory, transfer
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent
from reprobuild.provenance.referrer import Referrer, referrer
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.images import add_index
from tests.servers import RunningRegistry
from tests.small_registry import SmallRegistry, small_registry

pytestmark = pytest.mark.anyio

SBOM, SIGNATURE = "application/spdx+json", "application/vnd.example.signature"


@pytest.fixture
def small() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


@pytest.fixture(params=["lists", "does not list", "Distribution"])
async def sink(request: pytest.FixtureRequest, small: SmallRegistry, tmp_path: Path) -> AsyncIterator[RegistrySink]:
    small.lists_referrers = request.param == "lists"
    registry: RunningRegistry | SmallRegistry = small
    if request.param == "Distribution":
        registry = request.getfixturevalue("registry")
    made = RegistrySink(registry.host, f"referrers/{tmp_path.name.replace('_', '').lower()}", environ={})
    yield made
    await made.close()


def _held(one: Referrer) -> Held:
    return Held([(one.descriptor, one.data), *one.blobs])


async def _push(subject: Descriptor, one: Referrer, sink: RegistrySink) -> None:
    await push_referrer(subject, one.descriptor, _held(one), sink)


async def _pushed(store: Store, sink: RegistrySink) -> Descriptor:
    root = add_index(store)
    source = Stored(root, store)
    await transfer(await inventory(root, source), source, sink, progress=Silent(), label="x")
    return root


async def test_they_are_listed_with_type_and_annotations(sink: RegistrySink, store: Store) -> None:
    root = await _pushed(store, sink)
    assert await referrers(root, sink) == ()
    one = referrer(b"{}\n", SBOM, root, annotations={"a": "b"})
    two = referrer(b"signed", SIGNATURE, root)
    for each in (one, two, one):
        await _push(root, each, sink)
    found = {item.digest: item for item in await referrers(root, sink)}
    assert set(found) == {one.descriptor.digest, two.descriptor.digest}
    listed = found[one.descriptor.digest]
    assert (listed.artifact_type, dict(listed.annotations)) == (SBOM, {"a": "b"})
    # The image stays as it is.
    assert (await sink.reader(root.digest).resolve()).digest == root.digest


async def test_the_tag_is_that_of_the_specification(small: SmallRegistry, store: Store) -> None:
    small.lists_referrers = False
    sink = RegistrySink(small.host, "to", environ={})
    root = await _pushed(store, sink)
    await _push(root, referrer(b"{}", SBOM, root), sink)
    await sink.close()
    assert list(small.tags) == [("to", root.digest.replace(":", "-"))]


async def test_a_list_on_several_pages(small: SmallRegistry, store: Store) -> None:
    sink = RegistrySink(small.host, "to", environ={})
    root = await _pushed(store, sink)
    for number in range(5):
        await _push(root, referrer(b"%d" % number, SIGNATURE, root), sink)
    small.page = 2
    assert len(await referrers(root, sink)) == 5
    await sink.close()


async def test_a_list_that_goes_on_elsewhere_is_refused(small: SmallRegistry, store: Store) -> None:
    sink = RegistrySink(small.host, "to", environ={})
    root = await _pushed(store, sink)
    small._referrers = lambda exchange, *_: exchange.send(  # type: ignore[method-assign]
        200, b"{}", Link='<http://127.0.0.1:1/v2/to/referrers/x>; rel="next"'
    )
    with pytest.raises(NetworkError, match="goes on elsewhere"):
        await referrers(root, sink)
    await sink.close()


async def test_another_subject_is_refused(small: SmallRegistry, store: Store) -> None:
    sink = RegistrySink(small.host, "to", environ={})
    root = await _pushed(store, sink)
    other = Descriptor(media_type="x", digest=root.digest.replace("a", "b"), size=1)  # type: ignore[arg-type]
    with pytest.raises(ContentError, match="its subject is not"):
        await push_referrer(other, (one := referrer(b"", SBOM, root)).descriptor, _held(one), sink)
    await sink.close()


async def test_they_are_copied_along_and_back(
    sink: RegistrySink, small: SmallRegistry, store: Store, tmp_path: Path
) -> None:
    root = await _pushed(store, sink)
    sbom = referrer(b"{}", SBOM, root)
    await _push(root, sbom, sink)
    await _push(sbom.descriptor, referrer(b"signed", SIGNATURE, sbom.descriptor), sink)
    source = sink.reader(root.digest)
    content = await inventory(root, source)
    layout = LayoutSink(tmp_path / "layout")
    await transfer(content, source, layout, progress=Silent(), label="x")
    await layout.tag(root, "1.0", source)
    assert await copy_referrers(content, source, sink, layout) == 2
    copied = Layout(Folder(tmp_path / "layout"), "1.0", where="layout")
    assert (await copied.resolve()).digest == root.digest
    other = RegistrySink(small.host, "other", environ={})
    await transfer(content, copied, other, progress=Silent(), label="x")
    assert await copy_referrers(content, copied, copied, other) == 2
    (listed,) = await referrers(root, other)
    assert listed.digest == sbom.descriptor.digest
    await other.close()
