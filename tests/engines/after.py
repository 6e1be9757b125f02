"""What a root filesystem is after changes: what the builder will make of them, whatever an engine reports besides."""

from collections.abc import Sequence
from typing import Any

from reprobuild.engines.execution import Changes
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.tree import Node
from reprobuild.store import Store

__all__ = ["difference"]


def difference(layers: Sequence[RootLayer], changes: Changes, store: Store) -> dict[str, Node | None]:
    """Return the paths that are another thing after *changes* than before, None for what is gone.

    Times and layers are left out; checks on the way that *changes* are as the seam has them.
    """
    before = {path: _plain(node) for path, node in tree_of(layers, store, where="test").walk()}
    after = dict(before)
    for path in changes.removed:
        assert path in before, f"{path} was not there"
        for one in [one for one in after if one == path or one.startswith(f"{path}/")]:
            del after[one]
    seen: dict[str, Node] = {}
    assert [change.entry.path for change in changes.present] == sorted(
        {change.entry.path for change in changes.present}, key=str.encode
    )
    for change in changes.present:
        entry = change.entry
        values: dict[str, Any] = {name: getattr(entry, name) for name in ("mode", "uid", "gid", "target", "device")}
        if entry.kind == "hardlink":
            seen[entry.path] = seen[entry.target]
            assert seen[entry.path].kind == "file"
        else:
            seen[entry.path] = Node(
                kind=entry.kind, size=entry.size, xattrs=entry.xattrs, digest=change.digest, **values
            )
        if entry.kind == "file":
            assert change.digest is not None
            assert store.has(change.digest, entry.size)
        after[entry.path] = seen[entry.path]
        above = entry.path.rpartition("/")[0]
        assert after[above].kind == "directory", f"{entry.path} is in no folder"
    return {path: after.get(path) for path in sorted({*before, *after}) if before.get(path) != after.get(path)}


def _plain(node: Node) -> Node:
    return node._replace(mtime=0, layer=0)
