"""Poetry's constraints against what they mean, told by comparing numbers, and against examples from its manual."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from reprobuild.errors import SpecificationError
from reprobuild.workspace.poetry import (
    dependency_requirements,
    python_specifiers,
    refuse_unlockable,
    version_specifiers,
)

W = "pyproject.toml: tool.poetry.dependencies"

releases = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)


def text(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))


def padded(release: tuple[int, ...]) -> tuple[int, ...]:
    return (*release, 0, 0, 0, 0)[:4]


def accepts(constraint: str, release: tuple[int, ...]) -> bool:
    return Version(text(release)) in SpecifierSet(version_specifiers(constraint, where=W))


@given(releases, releases)
def test_a_caret_keeps_the_leftmost_number_that_is_not_zero(base: tuple[int, ...], release: tuple[int, ...]) -> None:
    kept = 0
    while kept < min(len(base), 3) - 1 and base[kept] == 0:
        kept += 1
    same = padded(release)[: kept + 1] == base[: kept + 1]
    assert accepts(f"^{text(base)}", release) == (same and padded(release) >= padded(base))


@given(releases, releases)
def test_a_tilde_keeps_major_and_minor(base: tuple[int, ...], release: tuple[int, ...]) -> None:
    same = padded(release)[: len(base[:2])] == base[:2]
    assert accepts(f"~{text(base)}", release) == (same and padded(release) >= padded(base))


@given(releases, releases, st.sampled_from([".*", ".x", ".X"]), st.sampled_from(["", "=", "==", "!=", "<>"]))
def test_a_wildcard_keeps_what_is_before_it(
    base: tuple[int, ...], release: tuple[int, ...], star: str, operator: str
) -> None:
    same = padded(release)[: len(base)] == base
    assert accepts(f"{operator}{text(base)}{star}", release) == (same != (operator in {"!=", "<>"}))


@given(releases, releases, st.sampled_from(["", "=", "==", "!=", "<>", "<", "<=", ">", ">="]))
def test_comparisons_compare(base: tuple[int, ...], release: tuple[int, ...], operator: str) -> None:
    left, right = padded(release), padded(base)
    expected = {
        **dict.fromkeys(["", "=", "=="], left == right),
        **dict.fromkeys(["!=", "<>"], left != right),
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }
    assert accepts(f"{operator}{text(base)}", release) == expected[operator]


@given(
    st.lists(st.tuples(st.sampled_from([">=", "<", "!=", "^", "~"]), releases), min_size=1, max_size=4),
    releases,
    st.sampled_from([",", ", ", " ", " , "]),
)
def test_all_of_several_must_hold(
    terms: list[tuple[str, tuple[int, ...]]], release: tuple[int, ...], separator: str
) -> None:
    texts = [operator + text(base) for operator, base in terms]
    assert accepts(separator.join(texts), release) == all(accepts(one, release) for one in texts)


@pytest.mark.parametrize(
    ("constraint", "specifiers"),
    [
        ("^1.2.3", "<2,>=1.2.3"),
        ("^0.2.3", "<0.3,>=0.2.3"),
        ("^0.0.3", "<0.0.4,>=0.0.3"),
        ("^0.0", "<0.1,>=0.0"),
        ("^0", "<1,>=0"),
        ("~1.2.3", "<1.3,>=1.2.3"),
        ("~1", "<2,>=1"),
        ("~=1.4.2", "~=1.4.2"),
        ("*", ""),
        ("1.*", "==1.*"),
        ("1.2.3", "==1.2.3"),
        ("v1.2", "==1.2"),
        (">= 1.2, <3, !=2.0", "!=2.0,<3,>=1.2"),
        (">=1.2,", ">=1.2"),
        ("^1.0a1", "<2,>=1.0a1"),
        ("^2021.12.08", "<2022,>=2021.12.8"),
        ("1!2.0", "==1!2.0"),
        ("^1!2.0", "<1!3,>=1!2.0"),
    ],
)
def test_examples(constraint: str, specifiers: str) -> None:
    assert version_specifiers(constraint, where=W) == specifiers


@pytest.mark.parametrize(
    "constraint", ["", "  ", "^", "^*", "abc", ">=1.*", "~=1", "1..2", "^1.2 ||", "=>1", "1.2-?", "9" * 5000, "===1"]
)
def test_nonsense_is_refused_with_its_text(constraint: str) -> None:
    with pytest.raises(SpecificationError) as error:
        version_specifiers(constraint, where=W)
    assert error.value.where == W
    assert error.value.hint


@given(st.text(max_size=30))
def test_any_text_is_a_constraint_or_a_clear_error(constraint: str) -> None:
    try:
        SpecifierSet(version_specifiers(constraint, where=W))
    except SpecificationError as error:
        assert error.where == W


def test_or_is_no_version() -> None:
    with pytest.raises(SpecificationError, match="says `or`"):
        version_specifiers("^1.0 || ^2.0", where=W)


@pytest.mark.parametrize(
    ("constraint", "specifiers"),
    [
        ("^3.10,<3.13", "<3.13,<4,>=3.10"),
        ("~2.7 || ^3.7", "<4,>=3.7"),
        ("2.7.* | >=3.8", ">=3.8"),
        ("*", ""),
    ],
)
def test_python_is_python_3(constraint: str, specifiers: str) -> None:
    assert SpecifierSet(python_specifiers(constraint, where=W)) == SpecifierSet(specifiers)


def requirements(**dependencies: Any) -> tuple[str, ...]:
    return dependency_requirements(dependencies, where=W)


def test_dependencies_become_requirements() -> None:
    found = requirements(
        python="^3.10",
        airbyte_cdk="^6",
        Requests={"version": "2.31.*", "extras": ["socks"]},
        tomli={"version": "*", "python": "<3.11"},
        uvloop={"version": ">=0.17", "platform": "linux"},
        nltk={"version": "3.9.1", "markers": "extra == 'x' or os_name == 'posix'", "python": "^3.9"},
        left={"version": "^1", "optional": True},
    )
    assert found == (
        "airbyte-cdk<7,>=6",
        'nltk==3.9.1; (extra == "x" or os_name == "posix") and python_version >= "3.9" and python_version < "4"',
        "requests[socks]==2.31.*",
        'tomli; python_version < "3.11"',
        'uvloop>=0.17; sys_platform == "linux"',
    )


def test_several_alternatives_of_one_dependency() -> None:
    found = requirements(numpy=[{"version": "<2", "python": "<3.12"}, {"version": ">=2", "python": ">=3.12"}])
    assert found == ('numpy<2; python_version < "3.12"', 'numpy>=2; python_version >= "3.12"')


def test_prereleases_that_are_allowed_stay_allowed() -> None:
    (found,) = requirements(x={"version": "^1.0", "allow-prereleases": True})
    assert Requirement(found).specifier.contains("1.5a1")
    assert not Requirement(found).specifier.contains("2.0")


minors = (
    st.tuples(st.just(3), st.integers(7, 14))
    | st.tuples(st.just(3))
    | st.tuples(st.just(3), st.integers(7, 14), st.integers(0, 3))
)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([">=", "<", ">", "<=", "^", "~", "!="]), minors), min_size=1, max_size=2),
        min_size=1,
        max_size=3,
    ),
    st.tuples(st.just(3), st.integers(7, 14), st.integers(0, 3)),
)
def test_a_marker_holds_where_the_constraint_on_python_does(
    alternatives: list[list[tuple[str, tuple[int, ...]]]], python: tuple[int, ...]
) -> None:
    def holds(operator: str, base: tuple[int, ...]) -> bool:
        # Poetry reads a short version here as the series: != 3.9 means none of 3.9's.
        short = python[: len(base)] == base
        return not short if operator == "!=" else accepts(f"{operator}{text(base)}", python)

    constraint = " || ".join(",".join(op + text(base) for op, base in one) for one in alternatives)
    (found,) = requirements(x={"version": "*", "python": constraint})
    marker = Requirement(found).marker
    environment = {
        **default_environment(),
        "python_version": text(python[:2]),
        "python_full_version": text(python),
    }
    expected = any(all(holds(op, base) for op, base in one) for one in alternatives)
    assert (marker is None or marker.evaluate(environment)) == expected  # type: ignore[arg-type,unused-ignore]


def test_platforms_may_be_several() -> None:
    assert requirements(x={"version": "*", "platform": "linux || darwin"}) == (
        'x; sys_platform == "linux" or sys_platform == "darwin"',
    )
    assert requirements(x={"version": "*", "platform": "!=win32"}) == ('x; sys_platform != "win32"',)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"git": "https://user:password@example.test/x.git"}, "a git repository"),
        ({"path": "../x", "develop": True}, "a path"),
        ({"url": "https://example.test/x.whl"}, "a direct URL"),
        ([{"version": "1"}, {"file": "x.whl"}], "a file"),
    ],
)
def test_what_cannot_be_locked_is_named(value: object, what: str) -> None:
    for check in (dependency_requirements, refuse_unlockable):
        with pytest.raises(SpecificationError, match=f"left-pad is required from {what}") as error:
            check({"left-pad": value}, where=W)
        assert error.value.where == f"{W}.left-pad"
        assert "password" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (3, "must be a version or a table"),
        ({"extras": ["x"]}, "has no version"),
        ({"version": "1", "verson": "2"}, "unknown key 'verson'"),
        ({"version": 1}, "version is of the wrong type"),
        ({"version": "1", "extras": [1]}, "extras must be a list of strings"),
        ({"version": "1", "markers": "python >"}, "not a requirement"),
        ({"version": "1", "platform": "a b"}, "not a platform"),
    ],
)
def test_a_malformed_dependency_is_refused(value: object, why: str) -> None:
    with pytest.raises(SpecificationError, match=why):
        requirements(x=value)
