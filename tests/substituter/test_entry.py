"""What stands under a derivation's tag: written, read, and everything else refused."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import ContentError
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import CONFIG, LAYER_GZIP, MANIFEST, Descriptor, Manifest, parse_manifest
from reprobuild.provenance.envelope import ENVELOPE
from reprobuild.substituter.entry import MANIFEST_BLOB, checked_parts, entry_document, made_layers, parse_entry, tag_of

DERIVATION = digest_of(b"derivation")
IMAGE = Descriptor(media_type=MANIFEST, digest=digest_of(b"manifest"), size=8)
CONFIGURATION = Descriptor(media_type=CONFIG, digest=digest_of(b"config"), size=6)
SIGNED = Descriptor(media_type=ENVELOPE, digest=digest_of(b"envelope"), size=8)


def _layer(name: str) -> Descriptor:
    return Descriptor(media_type=LAYER_GZIP, digest=digest_of(name.encode()), size=len(name))


def _changed(**members: object) -> bytes:
    _, data, _ = entry_document(DERIVATION, IMAGE, [CONFIGURATION, _layer("a")], envelope=SIGNED)
    return json.dumps({**json.loads(data), **members}).encode()


def test_what_is_written_is_read() -> None:
    document, data, blobs = entry_document(DERIVATION, IMAGE, [CONFIGURATION, _layer("a")], envelope=SIGNED)
    assert (document.digest, document.size, document.media_type) == (digest_of(data), len(data), MANIFEST)
    entry = parse_entry(data, DERIVATION, where="x")
    assert (entry.manifest.digest, entry.manifest.size) == (IMAGE.digest, IMAGE.size)
    assert [one.digest for one in entry.envelopes] == [SIGNED.digest]
    assert [blob.digest for blob in blobs[1:]] == [one.digest for one in (IMAGE, CONFIGURATION, _layer("a"), SIGNED)]


def test_layers_are_told_by_their_parts() -> None:
    joined, other = _layer("joined").digest, _layer("other").digest
    parts = {joined: [_layer("x"), _layer("y")], other: [_layer("y"), _layer("z")]}
    _, data, blobs = entry_document(DERIVATION, IMAGE, [CONFIGURATION], parts=parts)
    found = parse_entry(data, DERIVATION, where="x").parts
    wanted = {layer: [part.digest for part in some] for layer, some in parts.items()}
    assert {layer: [part.digest for part in some] for layer, some in found.items()} == wanted
    assert sorted(blob.digest for blob in blobs) == sorted({blob.digest for blob in blobs})


@given(st.lists(st.integers(min_value=0, max_value=50), max_size=5), st.integers(min_value=0, max_value=200))
def test_parts_take_no_more_room_than_the_layer(sizes: list[int], size: int) -> None:
    parts = [replace(_layer("x"), size=one) for one in sizes]
    layer = replace(_layer("joined"), size=size)
    if sizes and min(sizes) >= 10 and sum(sizes) - 10 * (len(sizes) - 1) == size:
        assert checked_parts(layer, parts, 10, where="x") == tuple(parts)
    else:
        with pytest.raises(ContentError, match="do not add up"):
            checked_parts(layer, parts, 10, where="x")


def test_the_registry_is_not_asked_to_follow_the_manifest() -> None:
    _, data, blobs = entry_document(DERIVATION, IMAGE, [CONFIGURATION])
    assert MANIFEST not in {blob.media_type for blob in (*blobs, *parse_manifest(data).layers)}
    assert parse_entry(data, DERIVATION, where="x").envelopes == ()


def test_the_tag_is_one_that_registries_take() -> None:
    assert tag_of(Digest("sha256:" + "ab" * 32)) == "drv-" + "ab" * 32


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a JSON"),
        (b"{}", "schemaVersion"),
        (_changed(artifactType="application/vnd.other"), "no output"),
        (_changed(artifactType=""), "no output"),
        (_changed(annotations={"dev.reprobuild.derivation": digest_of(b"other")}), "another derivation"),
        (_changed(annotations={}), "another derivation"),
        (_changed(layers=[]), "one manifest"),
        (_changed(layers=[{"mediaType": MANIFEST_BLOB, "digest": IMAGE.digest, "size": 8}] * 2), "one manifest"),
        (
            _changed(layers=[{"mediaType": MANIFEST_BLOB, "digest": IMAGE.digest, "size": DOCUMENT_LIMIT + 1}]),
            "no giant",
        ),
        (_changed(layers=[{"mediaType": MANIFEST_BLOB, "digest": "sha256:0", "size": 8}]), "not a sha256"),
    ],
)
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ContentError, match=why):
        parse_entry(data, DERIVATION, where="x")


def test_statements_without_number_and_giants_are_left_out() -> None:
    many = [{**SIGNED.to_json(), "digest": digest_of(str(number).encode())} for number in range(100)]
    giant = {**SIGNED.to_json(), "size": 1024**3}
    manifest = {"mediaType": MANIFEST_BLOB, "digest": IMAGE.digest, "size": 8}
    assert len(parse_entry(_changed(layers=[manifest, giant, *many]), DERIVATION, where="x").envelopes) == 8


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr).map(str.encode)
)
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(ContentError):
        parse_entry(data, DERIVATION, where="x")


@given(st.lists(st.sampled_from("abcd"), max_size=4), st.lists(st.sampled_from("wxyz"), max_size=4))
def test_what_an_image_adds_to_its_base(below: list[str], above: list[str]) -> None:
    base = Manifest(config=CONFIGURATION, layers=tuple(map(_layer, below)))
    image = Manifest(config=CONFIGURATION, layers=tuple(map(_layer, below + above)))
    assert made_layers(image, base, where="x") == tuple(map(_layer, above))
    if below:
        with pytest.raises(ContentError, match="not built on"):
            made_layers(Manifest(config=CONFIGURATION, layers=tuple(map(_layer, above))), base, where="x")
