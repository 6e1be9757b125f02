"""The workspaces that have used a store, and what their locks name: nobody takes that out (docs/adr/0012).

``roots/<sha256 of the path>`` in the store is a JSON document with the path of a workspace; its time is that of the
last use. What a lock needs is read from its files when it is asked for: every sha256 that stands in them.
"""

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprobuild.canonical import canonical_json, digest_of, hex_of
from reprobuild.errors import MachineError
from reprobuild.lockfile import BASE_LOCK

__all__ = ["Root", "known_roots", "known_workspaces", "locked_digests", "remember_root"]

_FOLDER = "roots"
_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A workspace that has used the store, as *record* says; ``gone`` if its folder is not there any more.

    A record that says nothing is its own workspace, and gone: whoever comes from there writes it anew.
    """

    record: Path
    workspace: Path
    gone: bool


def remember_root(store: Path, workspace: Path) -> None:
    """Note in *store* that *workspace* uses it. A store that cannot be written remembers nothing."""
    path = _path(store, workspace)
    try:
        os.utime(path)
    except FileNotFoundError:
        from reprobuild.store import replace_file  # noqa: PLC0415 - once for a workspace

        with suppress(MachineError, OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, canonical_json({"workspace": str(workspace.absolute())}), scratch=store / "tmp")
    except OSError:
        pass


def known_roots(store: Path, more: Collection[Path] = ()) -> tuple[Root, ...]:
    """Return the workspaces that have used *store*, and *more*, by path.

    Raises MachineError for one that cannot be looked at.
    """
    noted = {_path(store, workspace): workspace for workspace in more}
    # A record that says nothing is its own workspace.
    noted |= {record: _workspace(record) or record for record in _listed(store / _FOLDER)}
    found = [
        Root(record=record, workspace=workspace, gone=record == workspace or _is_gone(workspace))
        for record, workspace in noted.items()
    ]
    return tuple(sorted(found, key=lambda root: str(root.workspace)))


def known_workspaces(store: Path) -> tuple[Path, ...]:
    """Return the workspaces that have used *store*, there or gone."""
    return tuple(sorted(filter(None, map(_workspace, _listed(store / _FOLDER)))))


def locked_digests(workspace: Path) -> frozenset[str]:
    """Return every sha256 in the lock files of *workspace*, as 64 hexadecimal digits.

    Whatever stands around them, of any format, stale, or in the middle of a merge. Raises MachineError for a file that
    cannot be read.
    """
    found: set[str] = set()
    for path in (workspace / BASE_LOCK, *_lock_files(workspace / "lock")):
        try:
            found |= {name.decode("ascii") for name in _HEX.findall(path.read_bytes())}
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unknown(path, error) from error
    return frozenset(found)


def _lock_files(folder: Path) -> list[Path]:
    # Not by a pattern, which takes a folder that may not be read for an empty one.
    try:
        return [path for path in sorted(folder.iterdir()) if path.suffix == ".toml"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unknown(folder, error) from error


def _path(store: Path, workspace: Path) -> Path:
    return store / _FOLDER / hex_of(digest_of(os.fsencode(workspace.absolute())))


def _workspace(record: Path) -> Path | None:
    try:
        return Path(json.loads(record.read_bytes())["workspace"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_gone(workspace: Path) -> bool:
    try:
        workspace.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        raise _unknown(workspace, error) from error
    return False


def _unknown(path: Path, error: OSError) -> MachineError:
    return MachineError(
        f"what its locks need is not known: {error.strerror}",
        where=str(path),
        hint="run it as somebody who may read that; nothing has been removed",
    )


def _listed(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from sorted(folder.iterdir())
