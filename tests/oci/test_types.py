import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import canonical_json, digest_of, parse_json
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.types import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    parse_config,
    parse_index,
    parse_manifest,
    parse_platform,
)

PLATFORM = Platform(os="linux", architecture="arm64", variant="v8")
LAYER = Descriptor(media_type=LAYER_GZIP, digest=digest_of(b"l"), size=3, annotations={"a": "b"})
MANIFEST_VALUE = Manifest(
    config=Descriptor(media_type=CONFIG, digest=digest_of(b"c"), size=2), layers=(LAYER,), annotations={"k": "v"}
)
INDEX_VALUE = Index(
    manifests=(Descriptor(media_type=MANIFEST, digest=digest_of(b"m"), size=1, platform=PLATFORM),),
    annotations={"k": "v"},
)
CONFIG_VALUE = ImageConfig(
    platform=PLATFORM,
    config={"Env": ["A=b=c\nd", "B="], "User": "x"},
    diff_ids=(digest_of(b"d"),),
    history=({"created_by": "x"},),
    created="1980-01-01T00:00:00Z",
)


def test_documents_read_back_as_written() -> None:
    assert parse_manifest(canonical_json(MANIFEST_VALUE.to_json())) == MANIFEST_VALUE
    assert parse_index(canonical_json(INDEX_VALUE.to_json())) == INDEX_VALUE
    assert parse_config(canonical_json(CONFIG_VALUE.to_json())) == CONFIG_VALUE


def test_values_of_variables_may_hold_anything() -> None:
    assert CONFIG_VALUE.env == {"A": "b=c\nd", "B": ""}


def test_dockers_media_types_are_read() -> None:
    value = MANIFEST_VALUE.to_json() | {"mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    assert parse_manifest(canonical_json(value)) == MANIFEST_VALUE
    listed = INDEX_VALUE.to_json() | {"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}
    assert parse_index(canonical_json(listed)) == INDEX_VALUE


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 1},
        {"mediaType": INDEX},
        {"config": None},
        {"config": {"mediaType": CONFIG, "digest": "sha256:0", "size": 1}},
        {"config": {"mediaType": CONFIG, "digest": digest_of(b""), "size": -1}},
        {"config": {"mediaType": CONFIG, "digest": digest_of(b""), "size": True}},
        {"config": {"digest": digest_of(b""), "size": 1}},
        {"layers": {}},
        {"layers": ["x"]},
        {"annotations": {"a": 1}},
    ],
)
def test_a_manifest_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ContentError) as caught:
        parse_manifest(canonical_json(MANIFEST_VALUE.to_json() | change), where="registry/x")
    assert caught.value.where == "registry/x"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_json_is_read_or_refused_by_us(value: object) -> None:
    for parse in (parse_manifest, parse_index, parse_config):
        with pytest.raises(ContentError):
            parse(json.dumps(value).encode())


@given(st.binary())
def test_any_bytes_are_refused_by_us(data: bytes) -> None:
    with pytest.raises(ContentError):
        parse_manifest(data)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ContentError, match="a key stands twice"):
        parse_json(b'{"a": 1, "a": 2}')
    with pytest.raises(ContentError):
        parse_json(b"[" * 100_000)


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"])
def test_platforms_read_back(text: str) -> None:
    assert str(parse_platform(text)) == text


@pytest.mark.parametrize("text", ["linux", "", "linux/", "Linux/amd64", "linux/amd64/v8/x", "linux amd64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(SpecificationError, match="not a platform"):
        parse_platform(text)


def test_arm64_and_its_variant_are_one_platform() -> None:
    plain = parse_platform("linux/arm64")
    assert PLATFORM.satisfies(plain)
    assert plain.satisfies(PLATFORM)
    assert not plain.satisfies(parse_platform("linux/amd64"))
    assert not parse_platform("linux/arm/v7").satisfies(parse_platform("linux/arm/v6"))


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_canonical_json_does_not_depend_on_the_order(value: dict[str, object]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))
