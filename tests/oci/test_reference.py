import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import digest_of
from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import FileReference, RegistryReference, parse_reference

DIGEST = digest_of(b"x")


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.11-slim-bookworm", "docker.io/library/python:3.11-slim-bookworm"),
        ("airbyte/python-connector-base:4.0.0", "docker.io/airbyte/python-connector-base:4.0.0"),
        ("docker.io/python:3", "docker.io/library/python:3"),
        ("index.docker.io/library/python:3", "docker.io/library/python:3"),
        ("docker://ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a/b_c/d--e:v1", "localhost:5000/a/b_c/d--e:v1"),
        ("[::1]:5000/a:v1", "[::1]:5000/a:v1"),
        (f"quay.io/a/b@{DIGEST}", f"quay.io/a/b@{DIGEST}"),
        (f"quay.io/a/b:1@{DIGEST}", f"quay.io/a/b:1@{DIGEST}"),
        ("oci:build/base", "oci:build/base"),
        ("oci:build/base:python-3.11", "oci:build/base:python-3.11"),
        ("oci-archive:/tmp/x.tar:a/b:1.0", "oci-archive:/tmp/x.tar:a/b:1.0"),
        ("docker-archive:x.tar", "docker-archive:x.tar"),
    ],
)
def test_a_reference_and_its_full_form(text: str, full: str) -> None:
    assert str(parse_reference(text)) == full
    assert parse_reference(full) == parse_reference(text)


@pytest.mark.parametrize(
    "text",
    ["", "Python", "a//b", "a/b:", "a/b:t@g", "a/b:x y", "a/b@sha256:12", "a/b@md5:0", "-a", "a/-b", "oci:", "oci:a:-"],
)
def test_what_is_no_reference_is_named(text: str) -> None:
    with pytest.raises(SpecificationError, match="not an image reference") as caught:
        parse_reference(text, where="pyproject.toml: image")
    assert caught.value.where == "pyproject.toml: image"
    assert caught.value.hint


@given(st.text())
def test_any_text_gives_a_reference_that_reads_back_or_our_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except SpecificationError:
        return
    assert isinstance(reference, RegistryReference | FileReference)
    assert parse_reference(str(reference)) == reference
