"""TOML files of users, read with the place of every key at hand, so that each complaint names it."""

import json
import posixpath
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from reprobuild.errors import MachineError, SpecificationError

__all__ = ["Table", "parse_toml", "read_text", "read_toml", "suggestion"]

_T = TypeVar("_T")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_WORDS: Mapping[type, str] = {
    bool: "true or false",
    str: "a string",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a table",
}
_LARGEST = 4 * 1024 * 1024
"""The most bytes of a specification file that are read."""


class Table:
    """A table of the TOML file *file*, at *path* in it."""

    def __init__(self, value: Mapping[str, Any], file: str, path: tuple[str, ...] = ()) -> None:
        self.value, self.file, self.path = value, file, path

    def where(self, *keys: str) -> str:
        """Return the file and the key path of *keys* below this table, as TOML would write it."""
        path = (*self.path, *keys)
        dotted = ".".join(key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in path)
        return f"{self.file}: {dotted}" if path else self.file

    def fault(self, key: str, why: str, *, hint: str | None = None) -> SpecificationError:
        """Return the error that *key* is at fault, because of *why*."""
        return SpecificationError(why, where=self.where(key), hint=hint)

    def only(self, known: Collection[str], elsewhere: Mapping[str, str] | None = None) -> None:
        """Refuse keys that are not *known*; *elsewhere* maps keys that belong to other places to what to do."""
        for key in self.value:
            if key not in known:
                hint = (elsewhere or {}).get(key) or suggestion(key, known) or f"known here: {', '.join(sorted(known))}"
                raise self.fault(key, "unknown key", hint=hint)

    def get(self, key: str, kind: type[_T]) -> _T | None:
        """Return the value of *key*, None if there is none; raise SpecificationError unless it is a *kind*."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fault(key, f"must be {_WORDS[kind]}, not {_shown(value)}")
        return value

    def text(self, key: str) -> str | None:
        """Return the string at *key*, which is neither empty nor holds control characters."""
        value = self.get(key, str)
        if value is not None:
            self._check_text(value, key)
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return the list of such strings at *key*."""
        items = self.get(key, list)
        if items is None:
            return None
        for item in items:
            if not isinstance(item, str):
                raise self.fault(key, f"must be a list of strings, but holds {_shown(item)}")
            self._check_text(item, key)
        return tuple(items)

    def mapping(self, key: str) -> dict[str, str]:
        """Return the strings in the table at *key*, by their keys; empty if there is none."""
        table = self.table(key)
        values = {} if table is None else {name: table.get(name, str) or "" for name in table.value}
        for name, value in values.items():
            if not name or "\0" in name + value:
                raise self.fault(key, f"{name!r} or its value is empty or holds a NUL")
        return values

    def table(self, key: str) -> "Table | None":
        """Return the table at *key*."""
        value = self.get(key, dict)
        return None if value is None else Table(value, self.file, (*self.path, key))

    def tables(self, key: str) -> Iterator[tuple[str, "Table"]]:
        """Yield the tables below the table at *key*, with their names."""
        outer = self.table(key)
        if outer is not None:
            for name in outer.value:
                yield name, outer.table(name) or Table({}, self.file)

    def named(self, key: str) -> Iterator[tuple[str, "Table"]]:
        """Yield the tables of the array at *key* with their ``name``, of which there must be one each."""
        for number, item in enumerate(self.get(key, list) or (), 1):
            if not isinstance(item, dict):
                raise self.fault(key, f"must be tables, but holds {_shown(item)}", hint=f"write it like [[{key}]]")
            table = Table(item, self.file, (*self.path, key, str(item.get("name", number))))
            name = table.text("name")
            if name is None:
                raise table.fault("name", "is missing")
            yield name, table

    def below(self, key: str, path: str) -> str:
        """Return *path*, which *key* says, without a slash at its end, if it is clean and leads below a folder."""
        clean = path.removesuffix("/")
        if clean in {"", ".", ".."} or clean.startswith(("/", "../")) or posixpath.normpath(clean) != clean:
            raise self.fault(key, f"must be a clean path below the folder: {path[:200]!r}")
        return clean

    def _check_text(self, value: str, key: str) -> None:
        if not value.strip():
            raise self.fault(key, "is empty")
        if not value.isprintable():
            raise self.fault(key, f"holds a character that cannot be printed: {value[:100]!r}")


def read_text(path: Path, file: str) -> str:
    """Return the text of *path*, which errors call *file*; raise MachineError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        hint = "make it readable, or remove it"
        raise MachineError(f"cannot be read: {error.strerror or error}", where=file, hint=hint) from error
    if len(data) > _LARGEST:
        raise SpecificationError(f"is larger than {_LARGEST} bytes", where=file, hint="is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecificationError("not UTF-8", where=f"{file}, line {line}", hint="save it as UTF-8") from error


def read_toml(path: Path, file: str) -> dict[str, Any]:
    """Return the document in *path*; raise SpecificationError with *file* and line if it is not TOML."""
    return parse_toml(read_text(path, file), file)


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Return the document that *text*, the contents of *file*, writes."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = str(error)
        found = _LINE.search(message)
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        why = _LINE.sub("", message)
        raise SpecificationError(f"not TOML: {why}", where=f"{file}, line {line}", hint="mend that line") from error


def suggestion(word: str, known: Collection[str]) -> str | None:
    """Return the question whether one of *known* was meant by *word*, if one is like it."""
    import difflib  # noqa: PLC0415 - only on the way to an error

    near = difflib.get_close_matches(word.replace("_", "-").lower(), known, n=1)
    return f'did you mean "{near[0]}"?' if near else None


def _shown(value: object) -> str:
    """Return what *value* is in words of TOML."""
    if isinstance(value, bool):
        return "a boolean"
    return next((word for kind, word in _WORDS.items() if isinstance(value, kind)), f"a {type(value).__name__}")
