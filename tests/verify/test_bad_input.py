"""Images that are not what they claim: refused with the place, never called equal."""

import gzip
from dataclasses import replace
from typing import Any

import pytest

from reprobuild.builder.tree import Entry
from reprobuild.canonical import canonical_json, digest_of
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.image.index import RootLayer, layer_index
from reprobuild.oci.types import LAYER_GZIP, LAYER_TAR, MANIFEST, Descriptor, parse_platform
from reprobuild.store import Store
from tests.images import AMD64, add_document
from tests.verify.pairs import File, Image, Layer, compared, index

pytestmark = pytest.mark.anyio

ONE, TWO = File(path="one", data=b"1"), File(path="two", data=b"2")


def edited(image: Image, store: Store, **layer: Any) -> Descriptor:
    """Put *image* into *store* with members of its uppermost layer's descriptor changed."""
    manifest = image.add(store)
    value = __import__("json").loads(store.read(manifest.digest))
    value["layers"][-1] |= layer
    return add_document(value, MANIFEST, store)


async def refused(a: Image | Descriptor, b: Image | Descriptor, store: Store, why: str) -> None:
    for one, other in ((a, b), (b, a)):
        with pytest.raises(ContentError, match=why) as error:
            await compared(one, other, store)
        assert error.value.where


async def test_a_lying_diff_id(store: Store) -> None:
    liar = Image(files=[TWO], diff_ids=[digest_of(b"1"), digest_of(b"2")])
    await refused(Image(files=[ONE]), liar, store, "plain bytes are")


async def test_a_lie_that_calls_other_contents_equal(store: Store) -> None:
    """The diffIDs are those of the other image, so that only reading the layer can tell."""
    honest = Image(files=[ONE])
    ids = [digest_of(layer.plain()) for layer in honest.layers()]
    await refused(honest, Image(files=[TWO], diff_ids=ids), store, "plain bytes are")


async def test_layers_out_of_order(store: Store) -> None:
    image = Image(files=[ONE])
    ids = [digest_of(layer.plain()) for layer in image.layers()]
    swapped = Image(base=Layer(files=[ONE]), upper=image.base, diff_ids=ids)
    await refused(image, swapped, store, "plain bytes are")


async def test_more_layers_than_diff_ids(store: Store) -> None:
    short = Image(files=[ONE], diff_ids=[digest_of(b"1")])
    await refused(Image(files=[ONE]), short, store, "the manifest has 2 layers, the config 1")


@pytest.mark.parametrize(
    ("media_type", "why"),
    [
        ("application/vnd.oci.image.layer.v1.tar+xz", "unknown media type"),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "may not be distributed"),
    ],
)
async def test_layers_that_cannot_be_read(store: Store, media_type: str, why: str) -> None:
    await refused(Image(files=[ONE]), edited(Image(files=[TWO]), store, mediaType=media_type), store, why)


async def test_a_layer_that_cannot_be_read_is_no_trouble_where_both_have_it(store: Store) -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    a, b = (edited(Image(files=[ONE], created=year), store, mediaType=foreign) for year in ("2024", "2025"))
    assert [one.cause for one in (await compared(a, b, store)).differences] == ["created time"]


@pytest.mark.parametrize("kind", ["gzip", "tar", "file"])
async def test_a_layer_that_was_cut_short(store: Store, kind: str) -> None:
    plain = Layer(files=[File(path="one", data=b"1" * 5000)]).plain()
    data = {"gzip": gzip.compress(plain)[:-9], "tar": gzip.compress(plain[:300]), "file": gzip.compress(plain[:2000])}[
        kind
    ]
    cut = edited(Image(files=[TWO]), store, digest=store.add(data), size=len(data))
    await refused(Image(files=[ONE]), cut, store, "cannot be read|not a readable tar archive")


async def test_a_layer_that_is_not_there(store: Store) -> None:
    gone = edited(Image(files=[TWO]), store, digest=digest_of(b"gone"), size=4)
    await refused(Image(files=[ONE]), gone, store, "is not in the store")


async def test_what_is_no_image(store: Store) -> None:
    artifact = Descriptor(media_type="application/spdx+json", digest=store.add(b"{}"), size=2)
    await refused(Image(), artifact, store, "not an image")
    nested = index(store, index(store, replace(Image().add(store), platform=AMD64)))
    await refused(Image(), nested, store, "lists no image")


async def test_a_platform_that_one_has_not(store: Store) -> None:
    with pytest.raises(SpecificationError, match="there is no image for linux/arm64; it has linux/amd64"):
        await compared(Image(), Image(files=[ONE]), store, platforms=[parse_platform("linux/arm64")])


async def test_thousands_of_layers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    layers = [Layer(files=[File(path=f"f{number}")], media_type=LAYER_TAR) for number in range(1000)]
    a, b = Image(more=layers), Image(more=[*layers[:700], Layer(files=[ONE]), *layers[701:]])
    found = (await compared(a, b, store)).differences
    assert {one.place for one in found} == {"f700", "one"}


async def test_huge_files_are_not_held(store: Store) -> None:
    import tracemalloc

    a, b = (Image(files=[File(path="big", data=letter * 60_000_000)]).add(store) for letter in (b"a", b"b"))
    tracemalloc.start()
    found = (await compared(replace(a, platform=None), replace(b, platform=None), store)).differences
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(one.cause, one.detail) for one in found] == [("contents", "60000000 bytes each")]
    assert peak < 20_000_000


async def test_paths_that_are_no_text(store: Store) -> None:
    layer = Layer(files=[File(path="caf\udce9", data=b"1")])
    found = (await compared(Image(upper=layer), Image(files=[]), store)).differences
    assert "caf\udce9" in {one.place for one in found}


async def test_an_index_of_a_layer_in_the_store_is_believed_only_for_its_own_diff_id(store: Store) -> None:
    image = Image(files=[ONE])
    data = image.layers()[1].packed()
    layer = Descriptor(media_type=LAYER_GZIP, digest=store.add(data), size=len(data))
    diff_id = digest_of(image.layers()[1].plain())
    assert [file.entry for file in layer_index(RootLayer(descriptor=layer, diff_id=diff_id), store, where="")] == [
        Entry(path="one", size=1)
    ]
    record = store.root / "records" / "index"
    for path in record.rglob("*"):
        if path.is_file():
            path.write_bytes(canonical_json({"blob": store.add(b"[]")}))
    found = (await compared(image, Image(files=[ONE, TWO]), store)).differences
    assert [one.place for one in found] == ["two"]
