"""Which paths of a directory are copied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.hooks.patterns import selected


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a", ["a", "a/b", "a/b/c"], ["b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("*.py", ["a.py", ".py"], ["a/b.py", "a.pyc"]),
        ("**/*.py", ["a.py", "a/b.py", "a/b/c.py"], ["a.pyc"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/bz"]),
        ("a/*/z", ["a/b/z"], ["a/z", "a/b/c/z"]),
        ("**", ["a", "a/b"], []),
        ("?.txt", ["a.txt"], ["ab.txt", "/.txt"]),
        ("[a-c]1", ["a1", "c1"], ["d1"]),
        ("[^a]1", ["b1"], ["a1"]),
        (r"\*", ["*"], ["a"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)", "a.bb(c)"]),
        ("./a", ["a"], []),
        ("[z-a]", [], ["z", "a"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in [*yes, *no] if selected(path, include=[pattern])] == yes
    assert [path for path in [*yes, *no] if not selected(path, exclude=[pattern])] == yes


def test_what_was_excluded_can_be_taken_back() -> None:
    exclude = ["a", "!a/keep", "a/keep/not"]
    paths = ["a", "a/x", "a/keep", "a/keep/x", "a/keep/not", "b"]
    assert [path for path in paths if selected(path, exclude=exclude)] == ["a/keep", "a/keep/x", "b"]


def test_both_hold() -> None:
    assert selected("a/b.py", include=["a"], exclude=["**/*.pyc"])
    assert not selected("a/b.pyc", include=["a"], exclude=["**/*.pyc"])
    assert not selected("b.py", include=["a"])
    assert selected("b.py")


@given(st.text(st.sampled_from("ab/*?[]!\\-^|&~.("), max_size=12), st.text(st.sampled_from("ab/."), min_size=1))
def test_no_pattern_is_too_strange(pattern: str, path: str) -> None:
    assert selected(path, include=[pattern]) in {True, False}
