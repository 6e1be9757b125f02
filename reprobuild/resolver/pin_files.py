"""The connectors' own pins, read from their folders and remembered by content."""

from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest, canonical_json, digest_of
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.resolver.freshness import Pins
from reprobuild.resolver.pins import read_pins
from reprobuild.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from reprobuild.workspace import Workspace

__all__ = ["load_pins"]

_KIND = "pins"
_LARGEST = 64 * 1024 * 1024


def load_pins(workspace: "Workspace", names: "Collection[str]", store: Store) -> dict[str, Pins]:
    """Return the pins of those of the connectors *names* that have some; raise SpecificationError for bad files."""
    found = {}
    for name in names:
        for path in workspace.connectors[name].pins:
            found[name] = Pins(file=_shown(path, workspace.root), versions=_read(path, workspace.root, store))
    return found


def _read(path: Path, root: Path, store: Store) -> dict[str, str]:
    where = _shown(path, root)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise SpecificationError(f"more than {_LARGEST} bytes", where=where)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"cannot be read: {error}", where=where, hint="check the file") from error
    key = digest_of(canonical_json([1, path.name, digest_of(data)]))
    return _remembered(store, key) or _parsed(path, text, where, store, key)


def _parsed(path: Path, text: str, where: str, store: Store, key: Digest) -> dict[str, str]:
    try:
        versions = read_pins(path, text)
    except ReprobuildError as error:
        error.where = where
        raise
    store.write_record(_KIND, key, {"versions": versions})
    return versions


def _remembered(store: Store, key: Digest) -> dict[str, str] | None:
    versions = (store.record(_KIND, key) or {}).get("versions")
    if isinstance(versions, dict) and all(isinstance(version, str) for version in versions.values()):
        return versions
    return None


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
