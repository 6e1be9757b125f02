"""The files of a migration, written into a connector's folder: all of them, or the folder stays as it was."""

import difflib
import errno
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprobuild.errors import MachineError, SpecificationError
from reprobuild.store import machine_errors, replace_file
from reprobuild.workspace.types import OWN_FILE, PYPROJECT

if TYPE_CHECKING:
    from reprobuild.analysis.migration import Migration

__all__ = ["changes", "listed_in_workspace", "migrated_files", "written"]

_OUR_TABLE = "[tool.reprobuild]"
_HEAD = "# Written by `reprobuild migrate`, from {source}. See docs/reference/specification.md.\n"


def migrated_files(folder: Path, migration: "Migration", *, source: str, force: bool) -> dict[Path, str]:
    """Return the texts of the files that *migration* needs in *folder* and that are not there yet.

    *source* is what it was made from. The connector's keys go into its ``pyproject.toml``, whose comments and order
    stay; without one into ``reprobuild.toml``. Raises SpecificationError for a file that cannot be added to, and, but
    with *force*, for one that says something else.
    """
    files = {}
    for name, text in migration.hooks.items():
        path = folder / name
        if not (path.is_file() and path.read_bytes() == text.encode() and path.stat().st_mode & 0o100):
            _refuse_to_lose(path, force=force)
            files[path] = text
    own, pyproject = folder / OWN_FILE, folder / PYPROJECT
    is_own = own.is_file() or not pyproject.is_file()
    path, said = (own, _said_in(own)) if is_own else (pyproject, _said_in(pyproject, "tool", "reprobuild"))
    if said != (migration.settings or None):
        if said is not None and not force:
            raise _there_already(path, "it has a specification already, and another one")
        head = _HEAD.format(source=source)
        files[path] = head + _text(migration.settings) if is_own else _with_table(pyproject, migration.settings)
    return files


def listed_in_workspace(path: Path, label: str) -> str:
    """Return the text of the workspace's file *path* with the folder *label* among its connectors."""
    import tomlkit

    document = _parsed(path)
    table: Any = document if path.name == OWN_FILE else document["tool"]["reprobuild"]
    is_new = "connectors" not in table
    table.setdefault("connectors", tomlkit.array()).append(label)
    if (
        is_new
        and (text := _with_line(path, f"connectors = {json.dumps([label], ensure_ascii=False)}", document.unwrap()))
        is not None
    ):
        return text
    return tomlkit.dumps(document)


def _with_line(path: Path, line: str, wanted: Mapping[str, Any]) -> str | None:
    """Return the text of *path* with *line* after the last key of its table for us; None if that is not *wanted*.

    tomlkit would put it behind the comments of the table that follows.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    begin = 0
    if path.name != OWN_FILE:
        begin = next((at for at, text in enumerate(lines, 1) if text.strip() == _OUR_TABLE), len(lines))
    end = next((at for at, text in enumerate(lines[begin:], begin) if text.lstrip().startswith("[")), len(lines))
    while end > begin and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    text = "".join([*lines[:end], f"{line}\n", *lines[end:]])
    try:
        return text if tomllib.loads(text) == wanted else None
    except tomllib.TOMLDecodeError:
        return None


def changes(files: Mapping[Path, str], root: Path) -> Iterator[str]:
    """Yield the lines of a unified diff from what is there to *files*, by paths below *root*."""
    for path, text in sorted(files.items()):
        label = path.relative_to(root).as_posix()
        old = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        yield from difflib.unified_diff(old, text.splitlines(), f"a/{label}", f"b/{label}", lineterm="")


@contextmanager
def written(files: Mapping[Path, str]) -> Iterator[None]:
    """Write *files* for the block, hooks so that they can be executed; if it raises, all is as it was before."""
    before = {path: path.read_bytes() if path.is_file() else None for path in files}
    try:
        for path, text in files.items():
            with _writable(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, text.encode())
                if path.parent.name == "hooks":
                    path.chmod(0o755)
        yield
    except BaseException:
        _restore(before)
        raise


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Name *path*, and not what it was to be replaced by, if this machine does not let us write it."""
    try:
        with machine_errors(path):
            yield
    except MachineError as error:
        refused = isinstance(error.__cause__, OSError) and error.__cause__.errno in {
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
        }
        hint = "make it writable; nothing has been written" if refused else error.hint
        raise MachineError(error.message, where=str(path), hint=hint) from error


def _restore(before: Mapping[Path, bytes | None]) -> None:
    for path, data in before.items():
        if data is not None:
            replace_file(path, data)
        elif path.is_file():
            path.unlink()
            if path.parent.name == "hooks" and not any(path.parent.iterdir()):
                path.parent.rmdir()


def _refuse_to_lose(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise _there_already(path, "is there already, and does something else")


def _there_already(path: Path, why: str) -> SpecificationError:
    hint = "look at what `--dry-run --force` would change; --force writes over it, --check only compares"
    return SpecificationError(why, where=str(path), hint=hint)


def _said_in(path: Path, *keys: str) -> Any:
    """Return what the table *keys* of the file *path* says, None if there is none."""
    said: Any = _parsed(path).unwrap() if path.is_file() else None
    for key in keys:
        said = said.get(key) if isinstance(said, dict) else None
    return said or None


def _with_table(path: Path, settings: Mapping[str, Any]) -> str:
    """Return the text of the project file *path* with our table, and nothing that stood in it before."""
    import tomlkit

    document: Any = _parsed(path)
    tool = document.setdefault("tool", tomlkit.table(is_super_table=True))
    if not isinstance(tool, dict):
        raise SpecificationError("tool is not a table", where=str(path), hint="mend the file first")
    tool["reprobuild"] = _table(settings)
    return tomlkit.dumps(document)


def _text(settings: Mapping[str, Any]) -> str:
    import tomlkit

    document = tomlkit.document()
    for key, value in _table(settings).items():
        document[key] = value
    return tomlkit.dumps(document)


def _table(settings: Mapping[str, Any]) -> Any:
    """Return *settings* as people would write them: long lists with a line for each, tables after all else."""
    import tomlkit

    table = tomlkit.table()
    for key, value in sorted(settings.items(), key=lambda item: isinstance(item[1], dict)):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            tables = tomlkit.aot()
            for one in value:
                tables.append(tomlkit.item(one))
            table[key] = tables
        elif isinstance(value, list):
            array = tomlkit.array()
            array.extend(value)
            table[key] = array.multiline(len(value) > 2)
        else:
            table[key] = value
    return table


def _parsed(path: Path) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except (TOMLKitError, UnicodeDecodeError, OSError) as error:
        raise SpecificationError(str(error)[:200], where=str(path), hint="mend the file first") from error
