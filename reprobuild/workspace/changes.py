"""Which connectors a change of files concerns: what `--changed-since` chooses. Pure: paths and old texts come in."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from reprobuild.lockfile import BASE_LOCK, lock_path
from reprobuild.workspace.types import OWN_FILE, PYPROJECT, ConnectorSpec, Workspace

__all__ = ["SHARED_FILES", "changed_connectors"]

SHARED_FILES = (PYPROJECT, OWN_FILE, BASE_LOCK)
"""Files at the root of a workspace that say something of several connectors."""

_OF_CONNECTORS, _OF_BASES = "connector", "base"
_WHICH = "connectors"
"""The patterns that find folders: a connector that they newly find has a new lock."""


def changed_connectors(
    workspace: Workspace,
    paths: Collection[str],
    before: Mapping[str, str | None],
    after: Mapping[str, str | None],
) -> tuple[str, ...]:
    """Return the connectors that may be another image because of *paths*, which are relative to the workspace.

    *before* and *after* have the texts of `SHARED_FILES`, None for one that is not there: of these only what differs
    counts. What cannot be read is taken for a change of everything.
    """
    bases, named, everything = _shared(before, after)
    changed = []
    for name, spec in workspace.connectors.items():
        builder = workspace.bases[spec.base].builder
        own = _own_paths(workspace, spec)
        if (
            everything
            or name in named
            or not bases.isdisjoint({spec.base, builder})
            or any(path == one or path.startswith(f"{one}/") for path in paths for one in own)
        ):
            changed.append(name)
    return tuple(changed)


def _shared(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> tuple[set[str], set[str], bool]:
    """Return the bases and the connectors of which the shared files say something else, and if it concerns all."""
    bases: set[str] = set()
    named: set[str] = set()
    try:
        for file in SHARED_FILES:
            old, new = (_table(file, texts.get(file)) for texts in (before, after))
            bases |= _differing(old.pop(_OF_BASES, {}), new.pop(_OF_BASES, {}))
            named |= _differing(old.pop(_OF_CONNECTORS, {}), new.pop(_OF_CONNECTORS, {}))
            old.pop(_WHICH, None)
            new.pop(_WHICH, None)
            if old != new:
                return bases, named, True
    except (ValueError, AttributeError, TypeError, KeyError):
        return bases, named, True
    return bases, named, False


def _table(file: str, text: str | None) -> dict[str, Any]:
    """Return what *file* says to us: its table in a pyproject.toml; of the bases' lock, each base by its name."""
    if text is None:
        return {}
    value = tomllib.loads(text)
    if file == BASE_LOCK:
        return {_OF_BASES: {base["name"]: base for base in value.get("base", [])}}
    return dict(value.get("tool", {}).get("reprobuild", {}) if file == PYPROJECT else value)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _own_paths(workspace: Workspace, spec: ConnectorSpec) -> set[str]:
    """Return the files and folders that *spec* is made of, relative to the workspace; "." would be all of it."""
    hooks = spec.hooks
    places: list[Path | None] = [hooks.pre_install, hooks.post_install, hooks.customization, *spec.pins]
    places += [item.path for item in spec.inputs]
    places += [None if spec.folder is None else workspace.root / spec.folder]
    if spec.folder is None and spec.root is not None:
        places += [spec.root / place for source in spec.sources for place in source.places]
    root = workspace.root.resolve()
    found = {lock_path(spec.name)}
    for place in places:
        if place is not None and place.resolve().is_relative_to(root):
            found.add(place.resolve().relative_to(root).as_posix())
    return found
