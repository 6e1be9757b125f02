"""Airbyte's metadata.yaml, as connectors have it and as nobody should."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import SpecificationError
from reprobuild.workspace.airbyte import Metadata, metadata_base, parse_metadata

FILE = "connectors/source-x/metadata.yaml"
DIGEST = "sha256:" + "a" * 64
TEXT = f"""
metadataSpecVersion: "1.0"
data:
  allowedHosts: {{hosts: ["*"]}}
  connectorBuildOptions:
    baseImage: docker.io/airbyte/python-connector-base:4.0.0@{DIGEST}
  dockerRepository: airbyte/source-x
  dockerImageTag: 1.10
  tags: [language:python, cdk:low-code]
"""


def parse(text: str) -> Metadata:
    return parse_metadata(dedent(text), FILE)


def test_name_version_base_and_labels() -> None:
    metadata = parse(TEXT)
    assert metadata.name == "source-x"
    assert metadata.tag == "1.10"
    assert metadata.is_python
    assert metadata.labels == {"io.airbyte.name": "airbyte/source-x", "io.airbyte.version": "1.10"}
    base = metadata_base(metadata)
    assert base is not None
    assert base.name == "python-connector-base-4.0.0"
    assert str(base.image) == f"docker.io/airbyte/python-connector-base:4.0.0@{DIGEST}"
    assert base.where == f"{FILE}: data.connectorBuildOptions.baseImage"


@pytest.mark.parametrize("options", ["", "~", "null", "{}", "{baseImage: }", "{baseImage: null}"])
def test_no_base_image_is_none(options: str) -> None:
    metadata = parse(f"data: {{dockerRepository: a/b, dockerImageTag: 1.0.0, connectorBuildOptions: {options} }}")
    assert metadata_base(metadata) is None
    assert not metadata.languages


def test_another_language_is_told() -> None:
    text = "data: {dockerRepository: a/b, dockerImageTag: '1', tags: [language:java, 'cdk:x', 3]}"
    assert parse(text).languages == {"java"}
    assert not parse(text).is_python


def test_a_base_without_a_tag_is_called_after_its_repository() -> None:
    text = f"data: {{dockerRepository: a/b, dockerImageTag: '1', connectorBuildOptions: {{baseImage: 'x/y@{DIGEST}'}}}}"
    base = metadata_base(parse(text))
    assert base is not None
    assert base.name == "y"


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", FILE, "not a mapping"),
        ("- a", FILE, "not a mapping"),
        ("name: x", f"{FILE}: data", "is missing"),
        ("data: 3", f"{FILE}: data", "must be a mapping"),
        ("data: {dockerImageTag: '1'}", f"{FILE}: data.dockerRepository", "is missing"),
        ("data: {dockerRepository: a/b}", f"{FILE}: data.dockerImageTag", "is missing"),
        ("data: {dockerRepository: [a], dockerImageTag: '1'}", f"{FILE}: data.dockerRepository", "must be a string"),
        ("data: {dockerRepository: a/b, dockerImageTag: 'a b'}", f"{FILE}: data.dockerImageTag", "not a tag"),
        ("data:\n  a: b\n c: d\n", f"{FILE}, line 3", "not YAML"),
        ("data: !!python/object/apply:os.system [ls]", f"{FILE}: data", "must be a mapping"),
        ("a: 1\n---\nb: 2", f"{FILE}, line 2", "not YAML"),
        ("a: &a [*a]", f"{FILE}, line 1", "not YAML"),
        ("a: \x07", FILE, "not YAML"),
        ("[" * 100_000, f"{FILE}, line 1", "nested too deeply|nesting depth"),  # newer libyaml says it by itself
        ("{a: " * 100_000, f"{FILE}, line 1", "nested too deeply|nesting depth"),
    ],
)
def test_a_fault_has_its_place(text: str, where: str, why: str) -> None:
    with pytest.raises(SpecificationError, match=why) as error:
        parse_metadata(text, FILE)
    assert error.value.where == where


@pytest.mark.parametrize("image", ["oci:somewhere", "Upper/Case", "x@sha256:short"])
def test_a_base_image_that_is_none_is_refused(image: str) -> None:
    text = f"data: {{dockerRepository: a/b, dockerImageTag: '1', connectorBuildOptions: {{baseImage: '{image}'}}}}"
    with pytest.raises(SpecificationError) as error:
        metadata_base(parse(text))
    assert error.value.where == f"{FILE}: data.connectorBuildOptions.baseImage"


def test_aliases_do_not_explode() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))]
    with pytest.raises(SpecificationError, match="is missing"):
        parse_metadata("\n".join(lines), FILE)


@given(st.text(alphabet=st.sampled_from("data:{}[]&*!|>-'\"\n ,#%@`?x1"), max_size=60))
def test_any_text_is_metadata_or_a_clear_error(text: str) -> None:
    try:
        parse_metadata(text, FILE)
    except SpecificationError as error:
        assert (error.where or "").startswith(FILE)
