"""Two wheels, one path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import LockError
from reprobuild.resolver.conflicts import Conflict, check_conflicts, find_conflicts

ONE, TWO = digest_of(b"1"), digest_of(b"2")


def test_equal_bytes_are_no_conflict() -> None:
    assert find_conflicts({"a.whl": {"x/__init__.py": ONE}, "b.whl": {"x/__init__.py": ONE, "x/b.py": TWO}}) == ()


def test_different_bytes_name_both_wheels() -> None:
    written = {"b-1.whl": {"x.py": ONE}, "a-1.whl": {"x.py": TWO, "y.py": ONE}, "c-1.whl": {"y.py": TWO}}
    assert find_conflicts(written) == (
        Conflict(path="x.py", first="a-1.whl", second="b-1.whl"),
        Conflict(path="y.py", first="a-1.whl", second="c-1.whl"),
    )
    with pytest.raises(LockError, match=r"x\.py: a-1\.whl and b-1\.whl") as caught:
        check_conflicts(written, where="source-a")
    assert caught.value.where == "source-a"
    assert "only one of a and b" in str(caught.value.hint)


def test_a_file_and_a_folder_of_one_name_conflict() -> None:
    assert find_conflicts({"a.whl": {"x": ONE}, "b.whl": {"x/y.py": ONE}}) == (
        Conflict(path="x", first="a.whl", second="b.whl"),
    )


PATHS = st.dictionaries(st.sampled_from(["a", "b", "c/d", "c/e"]), st.sampled_from([ONE, TWO]))


@given(st.dictionaries(st.sampled_from(["w1", "w2", "w3"]), PATHS))
def test_there_are_conflicts_exactly_where_the_order_of_installing_matters(
    written: dict[str, dict[str, Digest]],
) -> None:
    forwards: dict[str, Digest] = {}
    backwards: dict[str, Digest] = {}
    for wheel in sorted(written):
        forwards |= written[wheel]
        backwards = {**written[wheel], **backwards}
    assert {one.path for one in find_conflicts(written)} >= {
        path for path in forwards if forwards[path] != backwards[path]
    }
    assert bool(find_conflicts(written)) == any(
        len({paths[path] for paths in written.values() if path in paths}) > 1 for path in forwards
    )
