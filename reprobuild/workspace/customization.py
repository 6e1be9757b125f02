"""What an Airbyte connector's `build_customization.py` says without being executed: the name of its main file."""

import posixpath
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import SpecificationError
from reprobuild.workspace.toml_table import read_text

if TYPE_CHECKING:
    import ast

__all__ = ["main_file_name"]

_NAME = "MAIN_FILE_NAME"


def main_file_name(path: Path, file: str) -> str | None:
    """Return the string that the module *path*, which errors call *file*, assigns to MAIN_FILE_NAME, None if none.

    Raises SpecificationError with the line where another value is assigned, which only executing it would tell.
    """
    text = read_text(path, file)
    if _NAME not in text:
        return None
    name = None
    for line, value in _assigned(_parsed(text, file)):
        if value is None:
            raise _fault(f"only executing it would tell {_NAME}", file, line)
        if value in {".", ".."} or posixpath.normpath(value) != value or value.startswith(("/", "../")):
            raise _fault(f"{_NAME} must be a clean path below the folder: {value[:200]!r}", file, line)
        if not value.isprintable():
            raise _fault(f"{_NAME} holds a character that cannot be printed", file, line)
        name = value
    return name


def _fault(why: str, file: str, line: int) -> SpecificationError:
    return SpecificationError(why, where=f"{file}, line {line}", hint='say main = "…" in [tool.reprobuild]')


def _parsed(text: str, file: str) -> "ast.Module":
    import ast  # noqa: PLC0415 - most builds have no such file

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        where = f"{file}, line {error.lineno or 1}"
        raise SpecificationError(f"not Python: {error.msg}", where=where, hint="mend that line") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SpecificationError(f"not Python: {error}", where=file, hint="is it the right file?") from error


def _assigned(module: "ast.Module") -> Iterator[tuple[int, str | None]]:
    """Yield line and value of each assignment at the module's top; None where it is not simply a string."""
    import ast  # noqa: PLC0415

    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="MAIN_FILE_NAME")], value=value)
                | ast.AnnAssign(target=ast.Name(id="MAIN_FILE_NAME"), value=ast.expr() as value)
            ):
                yield node.lineno, _text(value)
            case _:
                yield from ((line, None) for line in _bound(node))


def _text(value: "ast.expr") -> str | None:
    import ast  # noqa: PLC0415

    found = value.value if isinstance(value, ast.Constant) else None
    return found if isinstance(found, str) and found.strip() else None


def _bound(statement: "ast.AST") -> Iterator[int]:
    """Yield the lines where *statement* gives the name a value in any other way; in functions it is another name."""
    import ast  # noqa: PLC0415

    waiting = [statement]
    while waiting:
        match node := waiting.pop():
            case ast.AnnAssign(value=None) | ast.Lambda():
                continue
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield from [node.lineno] if node.name == _NAME else []
                waiting += (each for each in ast.walk(node) if isinstance(each, ast.Global))
                continue
            case ast.Name(id="MAIN_FILE_NAME", ctx=ast.Store() | ast.Del(), lineno=line):
                yield line
            case ast.Global(names=names, lineno=line) if _NAME in names:
                yield line
            case ast.Import(names=names, lineno=line) | ast.ImportFrom(names=names, lineno=line):
                yield from [line] if _NAME in {one.asname or one.name for one in names} else []
        waiting += ast.iter_child_nodes(node)
