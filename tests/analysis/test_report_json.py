"""The JSON document of a fleet: nothing is lost, and what is no such document is refused with its place."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.analysis.facts import Fleet
from reprobuild.analysis.report_json import KIND, SCHEMA, fleet_text, read_fleet
from reprobuild.errors import ContentError
from tests.analysis.fleets import fleet_of, hostile_fleet

TEXTS = st.text(max_size=6)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the type *kind* of the model."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{one.name: values(hints[one.name]) for one in fields(kind)})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is Mapping:
        return st.dictionaries(TEXTS, values(arguments[1]), max_size=2)
    if arguments:
        return st.none() | values(arguments[0])
    return {str: TEXTS, int: st.integers(), bool: st.booleans()}[kind]


@given(values(Fleet))
def test_nothing_is_lost_on_the_way(fleet: Fleet) -> None:
    assert read_fleet(fleet_text(fleet).encode()) == fleet


@pytest.mark.parametrize("fleet", [fleet_of(), hostile_fleet(), Fleet()])
def test_equal_fleets_are_equal_bytes(fleet: Fleet) -> None:
    text = fleet_text(fleet)
    assert fleet_text(read_fleet(text.encode())) == text
    assert json.loads(text)["schema"] == SCHEMA
    assert text.isascii()


def changed(path: str, value: Any) -> bytes:
    """Return the document of a small fleet with another value at *path*."""
    document = json.loads(fleet_text(fleet_of(2)))
    place, *_ = [document]
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


def test_members_of_a_later_release_are_passed_over() -> None:
    assert read_fleet(changed("images/0/colour", "red")) == fleet_of(2)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("images/0/layers/1/compressed", "big", "images[0].layers[1].compressed"),
        ("images/0/layers/1/compressed", True, "images[0].layers[1].compressed"),
        ("images/0/layers/1/causes", {"code": 1.5}, "images[0].layers[1].causes['code']"),
        ("images/0/environment/0", ["A"], "images[0].environment[0]"),
        ("images/0/base_moved", "yes", "images[0].base_moved"),
        ("images/0/digest", ..., "images[0]"),
        ("scores/0", None, "scores[0]"),
        ("variants", {}, "variants"),
        ("dockerfiles/0/environment", [], "dockerfiles[0].environment"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(path: str, value: Any, place: str) -> None:
    with pytest.raises(ContentError) as error:
        read_fleet(changed(path, value), where="report.json")
    assert error.value.where == f"report.json: {place}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a JSON document"),
        (b"[]", "not a JSON object"),
        (b'{"schema": 1}', "not a report of a fleet"),
        (b'{"kind": "reprobuild fleet", "schema": 99}', "schema 99"),
        (b'{"kind": "reprobuild fleet"}', "schema None"),
        (b"\xff\xfe", "not a JSON document"),
        (b'{"a": ' * 100_000, "not a JSON document"),
        (f'{{"kind": "{KIND}", "kind": "{KIND}"}}'.encode(), "stands twice"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ContentError, match=words):
        read_fleet(data)
