"""Container operations as JSON: what is written can be read, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.canonical import canonical_json
from reprobuild.errors import ContentError
from reprobuild.hooks.operations import (
    CopyDirectory,
    CopyFile,
    Exec,
    NewFile,
    Operation,
    RemoveDirectory,
    RemoveFile,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    Source,
)
from reprobuild.hooks.wire import operations_json, parse_operations

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
PATHS = WORDS.filter(bool)
OWNERS = st.none() | PATHS
MODES = st.none() | st.integers(0, 0o7777)
LISTS = st.lists(WORDS, max_size=3).map(tuple)


def steps(sources: st.SearchStrategy[Source]) -> st.SearchStrategy[Operation]:
    return st.one_of(
        st.builds(
            Exec,
            args=st.builds(lambda first, rest: (first, *rest), PATHS, LISTS),
            use_entrypoint=st.booleans(),
            stdin=st.none() | TEXTS,
            line=st.integers(0, 9),
        ),
        st.builds(
            SetVariable,
            name=PATHS.filter(lambda name: "=" not in name),
            value=st.none() | WORDS,
            expand=st.booleans(),
        ),
        st.builds(SetLabel, name=PATHS, value=st.none() | WORDS),
        st.builds(SetUser, name=OWNERS),
        st.builds(SetWorkdir, path=OWNERS),
        st.builds(SetEntrypoint, args=st.none() | LISTS),
        st.builds(NewFile, path=PATHS, contents=TEXTS, permissions=MODES, owner=OWNERS),
        st.builds(CopyFile, path=PATHS, source=sources, permissions=MODES, owner=OWNERS),
        st.builds(CopyDirectory, path=PATHS, source=sources, include=LISTS, exclude=LISTS, owner=OWNERS),
        st.builds(RemoveFile, path=PATHS),
        st.builds(RemoveDirectory, path=PATHS),
    )


ROOTS = st.builds(Source, operations=st.just(()), path=PATHS)
SOURCES = ROOTS | st.builds(Source, operations=st.lists(steps(ROOTS), max_size=2).map(tuple), path=PATHS)
CHAINS = st.lists(steps(SOURCES), max_size=4).map(tuple)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(CHAINS)
def test_what_is_written_can_be_read(operations: tuple[Operation, ...]) -> None:
    assert parse_operations(json.loads(canonical_json(operations_json(operations))), where="x") == operations


@given(JSON, st.sampled_from(["args", "kind", "stdin", "line", "path", "source", "permissions", "more"]))
def test_what_is_anything_else_is_refused_with_its_place(value: Any, member: str) -> None:
    written = operations_json(
        (Exec(args=("a",)), CopyFile(path="a", source=Source(operations=(Exec(args=("b",)),), path="c")))
    )
    for place in (0, 1):
        changed = [*written[:place], {**written[place], member: value}, *written[place + 1 :]]
        try:
            assert isinstance(parse_operations(changed, where="x"), tuple)
        except ContentError as error:
            assert (error.where or "").startswith(f"x[{place}]")


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        assert parse_operations(value, where="x") == ()
    except ContentError as error:
        assert error.where


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"kind": "exec", "args": [], "use_entrypoint": False, "stdin": None}, "names no program"),
        ({"kind": "exec", "args": ["a\0"], "use_entrypoint": False, "stdin": None}, "holds a NUL"),
        ({"kind": "exec", "args": ["\ud800"], "use_entrypoint": False, "stdin": None}, "UTF-8"),
        ({"kind": "exec", "args": ["a"], "use_entrypoint": 0, "stdin": None}, "neither true nor false"),
        ({"kind": "exec", "args": ["a"], "use_entrypoint": False}, "other members than args, use_entrypoint, stdin"),
        ({"kind": "variable", "name": "A=", "value": "", "expand": False}, "not a name of a variable"),
        ({"kind": "new-file", "path": "a", "contents": "", "permissions": 0o10000, "owner": None}, "not permissions"),
        ({"kind": "remove-file", "path": "a", "line": True}, "not a number"),
        ({"kind": "user", "name": ""}, "is empty"),
    ],
)
def test_values_that_cannot_be(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ContentError, match=message):
        parse_operations([step], where="x")


def test_sources_are_not_nested_without_end() -> None:
    operations: tuple[Operation, ...] = ()
    for _ in range(40):
        operations = (CopyFile(path="a", source=Source(operations=operations, path="b")),)
    with pytest.raises(ContentError, match="nested too deeply"):
        parse_operations(operations_json(operations), where="x")
