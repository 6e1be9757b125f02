"""What an executed step changed → the entries of its layer: the one path that the changes of every engine take.

An engine says what it saw touched; here that is held against the image below, so that only what differs is kept,
in the order, with the times and in the form that the bytes rules say (design §9).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from reprobuild.builder.masked import is_masked
from reprobuild.builder.tree import Entry, checked_path, directory, parents, whiteout
from reprobuild.canonical import Digest
from reprobuild.engines.execution import Change, Changes
from reprobuild.errors import ContentError
from reprobuild.image.tree import ImageTree, Node

__all__ = ["StepEntry", "step_entries"]

_XATTRS = frozenset({"security.capability"})
"""Extended attributes that are kept; others are the taste of a filesystem or of a security module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntry:
    """An entry of a step's layer, and for a file the digest of its bytes, which are in the store."""

    entry: Entry
    digest: Digest | None = None


def step_entries(
    changes: Changes, below: ImageTree, *, where: str, masked: Callable[[str], bool] = is_masked
) -> tuple[StepEntry, ...]:
    """Return what the layer of a step holds that made *changes* to an image with the files *below*; sorted.

    Empty if nothing differs. What is *masked*, by path, is left as it was. What is removed becomes whiteouts, one
    for a directory that is gone whole; a directory that was made anew keeps its name, and only what it lost is
    hidden, since overlay filesystems cannot tell a directory that was removed and made again from one that was
    kept (ADR 3). Raises ContentError, naming *where*, for device nodes and for paths that no layer can hold.
    """
    present = {change.entry.path: change for change in _checked(changes, masked, where)}
    kept = {path: change for path, change in present.items() if path and _differs(change, below.get(path))}
    entries = {path: StepEntry(entry=change.entry, digest=change.digest) for path, change in kept.items()}
    entries = _linked(entries, present)
    hidden = {whiteout(path) for path in _gone(changes, present, masked, below)}
    needed = {parent for path in (*entries, *(entry.path for entry in hidden)) for parent in parents(path)}
    for parent in needed - entries.keys():
        entries[parent] = StepEntry(entry=_parent(parent, present, below))
    entries |= {entry.path: StepEntry(entry=entry) for entry in hidden}
    return tuple(entries[path] for path in sorted(entries, key=str.encode))


def _checked(changes: Changes, masked: Callable[[str], bool], where: str) -> Iterator[Change]:
    for change in changes.present:
        entry = change.entry
        if not entry.path or masked(checked_path(entry.path, where=where)):
            continue
        if entry.kind in {"character", "block"}:
            raise ContentError(
                f"it made the device node /{entry.path}",
                where=where,
                hint="images hold no devices: who runs a container gives it those it needs; remove it in the hook",
            )
        if any(part.startswith(".wh.") for part in entry.path.split("/")):
            raise ContentError(f"/{entry.path} would be read as a whiteout", where=where, hint="call it something else")
        yield replace(change, entry=entry._replace(xattrs=_allowed(entry.xattrs)))


def _allowed(xattrs: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    return tuple(pair for pair in xattrs if pair[0] in _XATTRS)


def _differs(change: Change, before: Node | None) -> bool:
    """Say whether a path is not as it was; times are no difference, and neither is the size of a directory."""
    entry = change.entry
    if before is None or entry.kind == "hardlink":
        return True
    now = (entry.kind, entry.mode, entry.uid, entry.gid, entry.target, entry.device, entry.xattrs, change.digest)
    mode = entry.mode if entry.kind == "symlink" else before.mode
    return now != (
        before.kind,
        mode,
        before.uid,
        before.gid,
        before.target,
        before.device,
        before.xattrs,
        before.digest,
    )


def _linked(entries: Mapping[str, StepEntry], present: Mapping[str, Change]) -> dict[str, StepEntry]:
    """Return *entries* with hard links to the first path of each group in order, whatever the engine linked to."""
    groups: dict[str, list[str]] = {}
    for path in sorted(entries, key=str.encode):
        entry = entries[path].entry
        groups.setdefault(entry.target if entry.kind == "hardlink" else path, []).append(path)
    found = dict(entries)
    for target, paths in groups.items():
        first, *others = paths
        if not others and entries[first].entry.kind != "hardlink":
            continue
        # What is linked to may be as it was, and then is not in this layer: the first takes its place.
        original = present[target]
        found[first] = StepEntry(entry=original.entry._replace(path=first), digest=original.digest)
        for path in others:
            found[path] = StepEntry(entry=original.entry._replace(path=path, kind="hardlink", target=first, size=0))
    return found


def _gone(changes: Changes, present: Mapping[str, Change], masked: Callable[[str], bool], below: ImageTree) -> set[str]:
    """Return the outermost paths of *below* that are there no more."""
    alive = {*present, *(parent for path in present for parent in parents(path))}

    def gone_at(path: str) -> Iterator[str]:
        node, now = below.get(path), present.get(path)
        if node is None or masked(path):
            return
        if path not in alive and not any(masked(child) for child, _ in below.walk(path)):
            yield path
        elif node.kind == "directory" and (now is None or now.entry.kind == "directory"):
            for name in below.names(path):
                yield from gone_at(f"{path}/{name}")

    gone = {found for path in changes.removed for found in gone_at(checked_path(path))}
    return {path for path in gone if gone.isdisjoint(parents(path))}


def _parent(path: str, present: Mapping[str, Change], below: ImageTree) -> Entry:
    """Return the directory *path* as it is after the step, for the layer to repeat."""
    if (change := present.get(path)) is not None and change.entry.kind == "directory":
        return change.entry
    if (node := below.get(path)) is not None and node.kind == "directory":
        return directory(path, mode=node.mode, uid=node.uid, gid=node.gid)._replace(xattrs=_allowed(node.xattrs))
    return directory(path)
