"""Package URLs: ours are the published library's, whatever the names are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from reprobuild.sbom.purl import purl, pypi_purl

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1).filter(
    lambda text: text.strip() == text and text not in {".", ".."}
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pypi_purl("Typing_Extensions", "4.12.2"), "pkg:pypi/typing-extensions@4.12.2"),
        (pypi_purl("torch", "2.1+cpu"), "pkg:pypi/torch@2.1%2Bcpu"),
        (
            purl("deb", "libc6", "2.36-9+deb12u10", namespace="debian", qualifiers={"distro": "debian-12", "arch": ""}),
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?distro=debian-12",
        ),
        (purl("generic", "python", "3.11.2"), "pkg:generic/python@3.11.2"),
    ],
)
def test_what_scanners_know(given: str, expected: str) -> None:
    assert given == expected
    assert PackageURL.from_string(given).to_string() == expected


@given(WORDS, WORDS, WORDS, WORDS)
def test_a_reader_finds_what_was_put_in(namespace: str, name: str, version: str, value: str) -> None:
    read = PackageURL.from_string(purl("generic", name, version, namespace=namespace, qualifiers={"arch": value}))
    assert (read.namespace, read.name, read.version) == (namespace, name, version)
    assert read.qualifiers == {"arch": value}
