import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import SpecificationError
from reprobuild.oci.tag import check_tag, is_release, is_version_tag


@pytest.mark.parametrize("tag", ["1", "1.0", "1.2.3", "v1.2.3", "V2", "2024-05-01", "1.2.3-amd64", "1.0rc1"])
def test_tags_of_versions(tag: str) -> None:
    assert is_version_tag(tag)


@pytest.mark.parametrize("tag", ["latest", "main", "nightly", "vnext", "dev-1.2", "pr-17"])
def test_tags_that_are_there_to_be_moved(tag: str) -> None:
    assert not is_version_tag(tag)


@pytest.mark.parametrize("version", ["1.0", "1.2.3", "0.0.1", "v1.2", "1.0.post1", "1.2.3+build.5", "2024.5.1"])
def test_releases(version: str) -> None:
    assert is_release(version)


@pytest.mark.parametrize(
    "version", ["1.0rc1", "1.0a1", "1.0.dev3", "1.2.3-rc.1", "1.2.3-alpha.beta", "1.2.3-0.3.7", "main", "", "1.2-x"]
)
def test_what_is_no_release(version: str) -> None:
    assert not is_release(version)


@pytest.mark.parametrize("tag", ["1.0", "latest", "a" * 128, "_x", "1.0_build.5"])
def test_tags_that_registries_take(tag: str) -> None:
    assert check_tag(tag, where="x") == tag


@pytest.mark.parametrize("tag", ["", "1.0+local", "a" * 129, "-x", ".x", "a b", "a/b", "a:b", "x@sha256:0", "ä"])
def test_tags_that_registries_do_not_take(tag: str) -> None:
    with pytest.raises(SpecificationError, match="cannot be a tag") as caught:
        check_tag(tag, where="source-x")
    assert caught.value.where == "source-x"
    assert "--tag" in (caught.value.hint or "")


@given(st.text(max_size=40))
def test_any_text_is_a_release_or_not(text: str) -> None:
    assert is_release(text) in {True, False}
