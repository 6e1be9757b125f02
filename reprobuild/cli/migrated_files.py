"""The files of a migration, written into a connector's folder: all of them, or the folder stays as it was."""

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprobuild.errors import SpecificationError
from reprobuild.store import machine_errors, replace_file
from reprobuild.workspace.types import OWN_FILE, PYPROJECT

if TYPE_CHECKING:
    from reprobuild.analysis.migration import Migration

__all__ = ["changes", "listed_in_workspace", "migrated_files", "written"]

_HEAD = "# Written by `reprobuild migrate`, from {source}. See docs/reference/specification.md.\n"


def migrated_files(folder: Path, migration: "Migration", *, source: str) -> dict[Path, str]:
    """Return the texts of the files that *migration* needs in *folder*; *source* is what it was made from.

    The connector's keys go into its ``pyproject.toml``, whose comments and order stay; without one into
    ``reprobuild.toml``. Raises SpecificationError for a file that cannot be added to.
    """
    files = {folder / path: text for path, text in migration.hooks.items()}
    if migration.settings:
        own, pyproject = folder / OWN_FILE, folder / PYPROJECT
        if pyproject.is_file() and not own.is_file():
            files[pyproject] = _added(pyproject, migration.settings)
        else:
            files[own] = _HEAD.format(source=source) + _text(migration.settings)
    return files


def listed_in_workspace(path: Path, label: str) -> str:
    """Return the text of the workspace's file *path* with the folder *label* among its connectors."""
    import tomlkit

    document = _parsed(path)
    table: Any = document if path.name == OWN_FILE else document["tool"]["reprobuild"]
    connectors = table.setdefault("connectors", tomlkit.array())
    connectors.append(label)
    return tomlkit.dumps(document)


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
            with machine_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text.encode())
            if path.parent.name == "hooks":
                path.chmod(0o755)
        yield
    except BaseException:
        _restore(before)
        raise


def _restore(before: Mapping[Path, bytes | None]) -> None:
    for path, data in before.items():
        if data is not None:
            replace_file(path, data)
        elif path.is_file():
            path.unlink()
            if path.parent.name == "hooks" and not any(path.parent.iterdir()):
                path.parent.rmdir()


def _added(path: Path, settings: Mapping[str, Any]) -> str:
    import tomlkit

    document: Any = _parsed(path)
    tool = document.setdefault("tool", tomlkit.table(is_super_table=True))
    if not isinstance(tool, dict) or "reprobuild" in tool:
        raise SpecificationError("[tool.reprobuild] is there already", where=str(path), hint="remove it first")
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
