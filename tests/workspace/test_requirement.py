"""Requirements in normal form: the quick way gives what `packaging` gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from reprobuild.errors import SpecificationError
from reprobuild.workspace.requirement import normal_requirement, normal_requirements, normal_specifiers, pinned

W = "pyproject.toml: project.dependencies"

names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
releases = st.lists(st.integers(0, 30).map(str), min_size=2, max_size=4).map(".".join)
spaces = st.sampled_from(["", " ", "  "])
one = st.tuples(st.sampled_from([">=", "<=", "<", ">", "==", "!=", "~="]), spaces, releases, st.just("")).map("".join)
wild = st.tuples(st.sampled_from(["==", "!="]), releases, st.just(".*")).map("".join)
sets = st.lists(one | wild, max_size=4).flatmap(lambda ones: spaces.map(lambda space: f"{space},".join(ones)))


@given(names, sets, spaces)
def test_the_quick_way_is_packagings(name: str, specifiers: str, space: str) -> None:
    text = f"{space}{name}{space}{specifiers}{space}"
    expected = Requirement(text)
    expected.name = canonicalize_name(name)
    assert normal_requirement(text, where=W) == str(expected)
    assert normal_specifiers(specifiers, where=W) == str(SpecifierSet(specifiers))


@given(names, sets)
def test_a_normal_form_stays_as_it_is(name: str, specifiers: str) -> None:
    once = normal_requirement(name + specifiers, where=W)
    assert normal_requirement(once, where=W) == once


def test_a_list_is_sorted_and_each_stands_once() -> None:
    texts = ["Zope.Interface>=5", "httpx [HTTP_2] < 1", "zope-interface >= 5", 'a ; python_version<"3.12"']
    assert normal_requirements(texts, where=W) == (
        'a; python_version < "3.12"',
        "httpx[http-2]<1",
        "zope-interface>=5",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo bar", "Expected semicolon"),
        ("foo^1.0", r"not a requirement: 'foo\^1\.0'"),
        ("foo>=1.*", "suffix can only be used"),
        ("", "not a requirement"),
        ("x" * 5000, "longer than"),
    ],
)
def test_what_is_not_pep_508_is_refused_in_packagings_words(text: str, why: str) -> None:
    with pytest.raises(SpecificationError, match=why) as error:
        normal_requirement(text, where=W)
    assert error.value.where == W


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("left-pad @ https://user:secret@example.test/x.whl", "left-pad is required from a direct URL"),
        ("left-pad[x]@git+ssh://git@example.test/x", "left-pad is required from a direct URL"),
        ("git+https://user:secret@example.test/x.git", "from a path or a URL"),
        ("./vendor/x", "from a path or a URL"),
        ("../x", "from a path or a URL"),
        ("/srv/x", "from a path or a URL"),
        ("x-1.0-py3-none-any.whl", "from a path or a URL"),
    ],
)
def test_what_cannot_be_locked_is_named_without_its_secrets(text: str, named: str) -> None:
    with pytest.raises(SpecificationError, match=named) as error:
        normal_requirement(text, where=W)
    assert "publish it" in (error.value.hint or "")
    assert "secret" not in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_a_requirement_or_a_clear_error(text: str) -> None:
    try:
        Requirement(normal_requirement(text, where=W))
    except SpecificationError as error:
        assert error.where == W


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("x==1.2", ("x", "1.2")),
        ("x[a,b]==1.2", ("x", "1.2")),
        ('x==1.2; python_version < "3"', ("x", "1.2")),
        ("x==1.*", None),
        ("x>=1.2", None),
        ("x!=1,==1.2", None),
        ("x", None),
    ],
)
def test_a_pin_is_told(requirement: str, pin: tuple[str, str] | None) -> None:
    assert pinned(requirement) == pin


def test_specifiers_that_are_none_are_refused() -> None:
    assert normal_specifiers(">=3.11.0rc1", where=W) == ">=3.11.0rc1"
    with pytest.raises(SpecificationError, match="not a set of version specifiers"):
        normal_specifiers("^3.11", where=W)
