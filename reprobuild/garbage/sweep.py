"""What nobody needs, taken out of a store: while nobody else is in there, in an order that any end leaves right."""

import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from reprobuild.garbage.choice import Choice, choice
from reprobuild.garbage.holding import Item, holding
from reprobuild.lease import alone
from reprobuild.roots import Root, known_roots, locked_digests
from reprobuild.store import Store, machine_errors

__all__ = ["Sweep", "sweep"]

_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What was chosen, and removed unless it was only asked; for which workspaces; and which of them are gone.

    ``size`` are the bytes that are in the store afterwards.
    """

    chosen: Choice
    roots: tuple[Root, ...]
    gone: tuple[Root, ...]
    size: int


def sweep(
    store: Store,
    *,
    days: float,
    most: int | None = None,
    wait: float = 60,
    dry: bool = False,
    workspaces: Collection[Path] = (),
) -> Sweep:
    """Remove from *store* what no workspace's lock needs and nobody has used for *days*, and see `choice` for *most*.

    The workspaces are those that the store remembers, and *workspaces*. Blocking. Waits for others for at most *wait*
    seconds; if *dry*, for nobody, and removes nothing. Whenever it ends, the store is right, and the next one goes on.
    Raises MachineError for a store that is in use, and for a workspace or a file that this machine does not let us see
    or remove.
    """
    before = time.time() - days * _DAY
    if dry or not store.root.exists():
        return _chosen(store, before, most, workspaces)
    with machine_errors(store.root):
        with alone(store.root, wait=wait):
            found = _chosen(store, before, most, workspaces)
            for root in found.gone:
                root.record.unlink(missing_ok=True)
            doomed = _removed(found.chosen)
        _remove(doomed)
    return found


def _chosen(store: Store, before: float, most: int | None, workspaces: Collection[Path]) -> Sweep:
    roots = known_roots(store.root, workspaces)
    locked = set[str]().union(*(locked_digests(root.workspace) for root in roots if not root.gone))
    held = holding(store)
    chosen = choice(held, locked, before=before, most=most)
    return Sweep(
        chosen=chosen,
        roots=tuple(root for root in roots if not root.gone),
        gone=tuple(root for root in roots if root.gone),
        size=held.size - chosen.freed,
    )


def _removed(chosen: Choice) -> list[Path]:
    """Remove files, records before what they refer to; rename directories, and return what is left to be removed."""
    _unlink(chosen.records)
    _unlink(chosen.blobs)
    doomed = []
    for item in (*chosen.unpacked, *chosen.leftovers):
        if item.path.is_dir() and not item.path.is_symlink():
            doomed.append(_renamed(item.path))
        else:
            item.path.unlink(missing_ok=True)
    return doomed


def _renamed(path: Path) -> Path:
    """Take the directory away from its place, which takes no time, so that nobody waits for what does."""
    for suffix in (".json", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    target = path.with_name(f"{uuid4().hex}.gone")
    with suppress(OSError):  # Where the disk has no room for another name, it goes from where it is.
        return path.rename(target)
    return path


def _unlink(items: Iterable[Item]) -> None:
    for item in items:
        item.path.unlink(missing_ok=True)


def _remove(doomed: Sequence[Path]) -> None:
    if doomed:
        from reprobuild.engines.removal import remove  # noqa: PLC0415 - most stores have unpacked nothing

        remove(doomed)
