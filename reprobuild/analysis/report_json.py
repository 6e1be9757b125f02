"""A fleet as a JSON document and back: what ``analyze … --json`` prints, and what reports and drift are read from.

The members are the fields of `reprobuild.analysis.facts`, under their names. Nothing is lost on the way, and equal
fleets are equal bytes. A reader passes over members that it does not know: a later release may add some. A member that
goes or changes its meaning raises the schema's number.
"""

import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from reprobuild.analysis.facts import Fleet
from reprobuild.canonical import parse_json
from reprobuild.errors import ContentError

__all__ = ["KIND", "SCHEMA", "fleet_text", "read_fleet"]

SCHEMA = 1
KIND = "reprobuild fleet"
"""What the document calls itself, so that no other JSON is taken for one."""

Reader = Callable[[Any, str], Any]
"""From a value of JSON and the path to it to a value of the model; raises ContentError."""


def fleet_text(fleet: Fleet) -> str:
    """Return *fleet* as a JSON document, without a newline at its end."""
    document = {"schema": SCHEMA, "kind": KIND, **_members(fleet)}
    return json.dumps(document, indent=2, allow_nan=False)


def read_fleet(data: bytes, *, where: str | None = None) -> Fleet:
    """Return the fleet that the document *data* holds; raise ContentError, with the path to what is wrong."""
    document = parse_json(data, where=where)
    if document.get("kind") != KIND:
        hint = "reports are written by reprobuild analyze … --json"
        raise ContentError("not a report of a fleet", where=where, hint=hint)
    if document.get("schema") != SCHEMA:
        text = f"a report of schema {str(document.get('schema'))[:20]}; this release reads {SCHEMA}"
        raise ContentError(text, where=where, hint="read it with the release that wrote it, or write it again")
    try:
        fleet: Fleet = _reader(Fleet)(document, "")
    except ContentError as error:
        place = error.where or "the document"
        raise ContentError(error.message, where=f"{where}: {place}" if where else place, hint=error.hint) from error
    return fleet


def _members(value: Any) -> dict[str, Any]:
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}


def _plain(value: Any) -> Any:
    """Return *value* of the model as JSON has it; names of mappings are sorted."""
    if is_dataclass(value):
        return _members(value)
    if isinstance(value, Mapping):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


@cache
def _reader(kind: Any) -> Reader:
    """Return what reads a value of the type *kind*: a dataclass, tuple, mapping, optional, text, number or boolean."""
    if is_dataclass(kind):
        return _object_reader(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _list_reader(arguments[0]) if arguments[-1] is ... else _row_reader(arguments)
    if origin in (Union, types.UnionType):
        return _optional_reader(next(one for one in arguments if one is not type(None)))
    if origin is not None:
        return _mapping_reader(arguments[1])
    return _scalar_reader(kind)


def _object_reader(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    members: Sequence[tuple[Field[Any], Reader]] = [(one, _reader(hints[one.name])) for one in fields(kind)]

    def read(value: Any, place: str) -> Any:
        _require(value, dict, "an object", place)
        given = {}
        for one, reader in members:
            if one.name in value:
                given[one.name] = reader(value[one.name], f"{place}.{one.name}".removeprefix("."))
            elif one.default is MISSING and one.default_factory is MISSING:
                raise ContentError(f"{one.name} is missing", where=place)
        return kind(**given)

    return read


def _list_reader(kind: Any) -> Reader:
    item = _reader(kind)

    def read(value: Any, place: str) -> Any:
        _require(value, list, "a list", place)
        return tuple(item(one, f"{place}[{number}]") for number, one in enumerate(value))

    return read


def _row_reader(kinds: Sequence[Any]) -> Reader:
    readers = [_reader(kind) for kind in kinds]

    def read(value: Any, place: str) -> Any:
        _require(value, list, "a list", place)
        if len(value) != len(readers):
            raise ContentError(f"{len(value)} items, not {len(readers)}", where=place)
        return tuple(reader(one, f"{place}[{n}]") for n, (reader, one) in enumerate(zip(readers, value, strict=True)))

    return read


def _mapping_reader(kind: Any) -> Reader:
    item = _reader(kind)

    def read(value: Any, place: str) -> Any:
        _require(value, dict, "an object", place)
        return {name: item(one, f"{place}[{name!r}]") for name, one in value.items()}

    return read


def _optional_reader(kind: Any) -> Reader:
    reader = _reader(kind)
    return lambda value, place: None if value is None else reader(value, place)


def _scalar_reader(kind: Any) -> Reader:
    words = {str: "a text", int: "a whole number", bool: "true or false"}[kind]

    def read(value: Any, place: str) -> Any:
        # JSON's true is an int to Python, and no number to us.
        if type(value) is not kind:
            raise ContentError(f"not {words}: {str(value)[:60]!r}", where=place)
        return value

    return read


def _require(value: Any, kind: type, words: str, place: str) -> None:
    if not isinstance(value, kind):
        raise ContentError(f"not {words}: {str(value)[:60]!r}", where=place)
