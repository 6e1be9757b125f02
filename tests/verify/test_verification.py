"""What a published image is to a lock, from what it says and from how it differs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.oci.types import ImageConfig, parse_platform
from reprobuild.verify.cause import CAUSES, SAME_CONTENT, Cause
from reprobuild.verify.difference import Difference
from reprobuild.verify.identity import identity_of
from reprobuild.verify.verification import answer_for, without_lost_annotations, worst

_DIGEST = "sha256:" + "1" * 64
_KEY = "org.opencontainers.image."


def config(labels: object) -> ImageConfig:
    return ImageConfig(platform=parse_platform("linux/amd64"), config={"Labels": labels}, diff_ids=())


def difference(cause: Cause, *, place: str = "x", old: str | None = "1", new: str | None = "2") -> Difference:
    return Difference(cause=cause, kind="config", place=place, old=old, new=new)


def test_annotations_and_labels_say_which_image_it_is() -> None:
    annotations = {f"{_KEY}title": "source-x", f"{_KEY}version": "1.0", f"{_KEY}base.digest": _DIGEST}
    found = identity_of(annotations, config({"io.airbyte.name": "airbyte/source-x", "io.airbyte.version": "0.9"}))
    assert (found.names, found.version, found.base) == (("source-x", "airbyte/source-x"), "1.0", _DIGEST)
    found = identity_of({}, config({"io.airbyte.version": "0.9"}))
    assert (found.names, found.version, found.base) == ((), "0.9", None)


@given(
    st.one_of(st.none(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.one_of(st.text(), st.none())))
)
def test_nonsense_in_labels_says_nothing(labels: object) -> None:
    assert identity_of({f"{_KEY}base.digest": "sha256:nonsense"}, config(labels)).base is None


@pytest.mark.parametrize("cause", CAUSES)
def test_what_a_container_notices_is_no_other_compression(cause: Cause) -> None:
    same = cause in SAME_CONTENT or cause == "annotation"
    assert answer_for([difference(cause)]) == ("same content, other compression" if same else "differs")
    assert answer_for([difference("compression only"), difference(cause)]) == answer_for([difference(cause)])


def test_no_difference_is_identity() -> None:
    assert answer_for([]) == "identical"


def test_a_lost_annotation_says_nothing_of_base_or_time() -> None:
    place = f"manifest annotation {_KEY}base.digest"
    lost, other = (difference("base moved", place=place, old=old) for old in (None, "another"))
    assert [one.cause for one in without_lost_annotations([lost, other])] == ["annotation", "base moved"]
    layer = Difference(cause="base moved", kind="layer", place="layer 1", old=None, new=_DIGEST)
    assert without_lost_annotations([layer]) == (layer,)


def test_the_answer_that_promises_least_counts() -> None:
    assert worst(["identical", "unknown", "differs"]) == "unknown"
    assert worst(["identical", "same content, other compression"]) == "same content, other compression"
    assert worst([]) == "unknown"
