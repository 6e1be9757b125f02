"""Container operations as JSON: what the hook's process tells, and what keys are made of."""

from collections.abc import Callable, Mapping
from typing import Any

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

__all__ = ["operations_json", "parse_operations"]

_DEEPEST = 32
"""How often a source may be copied from a container that has copied from a container…"""


def operations_json(operations: tuple[Operation, ...]) -> list[dict[str, Any]]:
    """Return *operations* as values for canonical JSON, without lines: what `parse_operations` reads."""
    return [_operation_json(operation) for operation in operations]


def parse_operations(value: object, *, where: str) -> tuple[Operation, ...]:
    """Return the operations in *value*; raise ContentError, with the place of the fault, for anything else."""
    return _operations(value, where, _DEEPEST)


def _operation_json(operation: Operation) -> dict[str, Any]:
    kind = next(kind for kind, (made, _) in _KINDS.items() if made is type(operation))
    values = {name: _value_json(getattr(operation, name)) for name in _KINDS[kind][1]}
    return {"kind": kind, **values}


def _value_json(value: object) -> object:
    if isinstance(value, Source):
        return {"operations": operations_json(value.operations), "path": value.path}
    return list(value) if isinstance(value, tuple) else value


def _operations(value: object, where: str, depth: int) -> tuple[Operation, ...]:
    if not isinstance(value, list):
        raise ContentError("not a list of container operations", where=where)
    return tuple(_operation(one, f"{where}[{place}]", depth) for place, one in enumerate(value))


def _operation(value: object, where: str, depth: int) -> Operation:
    members = _members(value, where)
    kind = members.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ContentError(f"not a container operation: {str(kind)[:100]!r}", where=where)
    made, readers = _KINDS[kind]
    if {*members} - {"line"} != {"kind", *readers}:
        raise ContentError(f"{kind} has other members than {', '.join(readers)}", where=where)
    read = {name: reader(members[name], f"{where}.{name}", depth) for name, reader in readers.items()}
    return made(**read, line=_number(members.get("line", 0), f"{where}.line", depth))


def _members(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ContentError("not an object", where=where)
    return value


def _source(value: object, where: str, depth: int) -> Source:
    members = _members(value, where)
    if {*members} != {"operations", "path"} or depth == 0:
        raise ContentError("not a source, or one that is nested too deeply", where=where)
    operations = _operations(members["operations"], f"{where}.operations", depth - 1)
    return Source(operations=operations, path=_path(members["path"], f"{where}.path", depth))


def _text(value: object, where: str, _: int) -> str:
    if not isinstance(value, str):
        raise ContentError("not a text", where=where)
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ContentError("not a text that UTF-8 can write", where=where)
    return value


def _word(value: object, where: str, depth: int) -> str:
    """Return a text that a kernel can be given."""
    if "\0" in _text(value, where, depth):
        raise ContentError("holds a NUL", where=where)
    return str(value)


def _path(value: object, where: str, depth: int) -> str:
    if not _word(value, where, depth):
        raise ContentError("is empty", where=where)
    return str(value)


def _variable(value: object, where: str, depth: int) -> str:
    if "=" in _path(value, where, depth):
        raise ContentError(f"not a name of a variable: {str(value)[:100]!r}", where=where)
    return str(value)


def _words(value: object, where: str, depth: int) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ContentError("not a list", where=where)
    return tuple(_word(one, f"{where}[{place}]", depth) for place, one in enumerate(value))


def _command(value: object, where: str, depth: int) -> tuple[str, ...]:
    if not (words := _words(value, where, depth)) or not words[0]:
        raise ContentError("names no program", where=where)
    return words


def _flag(value: object, where: str, _: int) -> bool:
    if not isinstance(value, bool):
        raise ContentError("neither true nor false", where=where)
    return value


def _number(value: object, where: str, _: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ContentError("not a number", where=where)
    return value


def _mode(value: object, where: str, depth: int) -> int:
    if (mode := _number(value, where, depth)) > 0o7777:
        raise ContentError(f"not permissions: {mode:#o}", where=where)
    return mode


_Reader = Callable[[object, str, int], Any]


def _or_none(reader: _Reader) -> _Reader:
    return lambda value, where, depth: None if value is None else reader(value, where, depth)


_KINDS: Mapping[str, tuple[Callable[..., Operation], Mapping[str, _Reader]]] = {
    "exec": (Exec, {"args": _command, "use_entrypoint": _flag, "stdin": _or_none(_text)}),
    "variable": (SetVariable, {"name": _variable, "value": _or_none(_word), "expand": _flag}),
    "label": (SetLabel, {"name": _path, "value": _or_none(_text)}),
    "user": (SetUser, {"name": _or_none(_path)}),
    "workdir": (SetWorkdir, {"path": _or_none(_path)}),
    "entrypoint": (SetEntrypoint, {"args": _or_none(_words)}),
    "new-file": (
        NewFile,
        {"path": _path, "contents": _text, "permissions": _or_none(_mode), "owner": _or_none(_path)},
    ),
    "file": (CopyFile, {"path": _path, "source": _source, "permissions": _or_none(_mode), "owner": _or_none(_path)}),
    "directory": (
        CopyDirectory,
        {"path": _path, "source": _source, "include": _words, "exclude": _words, "owner": _or_none(_path)},
    ),
    "remove-file": (RemoveFile, {"path": _path}),
    "remove-directory": (RemoveDirectory, {"path": _path}),
}
