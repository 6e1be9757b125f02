"""A collection as it was asked for, and what it says: what `reprobuild store gc` does."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprobuild.cli.output import plain, say, say_json, size, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import SpecificationError
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.garbage.sweep import Sweep

__all__ = ["CollectRequest", "collect"]

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_PARTS = {
    "blobs": ("blob", "blobs"),
    "records": ("record", "records"),
    "unpacked": ("unpacked layer", "unpacked layers"),
    "leftovers": ("leftover", "leftovers"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectRequest:
    """The options of `reprobuild store gc`, as they were given."""

    keep_days: float
    max_size: str | None
    workspaces: tuple[Path, ...]
    wait: float
    dry_run: bool
    json: bool


def collect(store: Store, request: CollectRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: 1 if the store is still larger than it may be."""
    from reprobuild.garbage.sweep import sweep
    from reprobuild.roots import remember_root

    most = None if request.max_size is None else _bytes(request.max_size)
    workspaces = _workspaces(request.workspaces, settings)
    if not request.dry_run:
        for workspace in workspaces:
            remember_root(store.root, workspace)
    found = sweep(
        store,
        days=request.keep_days,
        most=most,
        wait=request.wait,
        dry=request.dry_run,
        workspaces=workspaces,
    )
    over = most is not None and found.size > most
    if request.json:
        say_json(_json(found, dry=request.dry_run, over=over))
    else:
        _print(found, settings, dry=request.dry_run)
        if over:
            tell(f"{size(found.size)} stay, which is more than asked for: locks need them")
    return 1 if over else 0


def _workspaces(folders: Sequence[Path], settings: Settings) -> list[Path]:
    from reprobuild.lockfile import BASE_LOCK

    found = [(settings.directory / folder).absolute() for folder in folders]
    for folder in found:
        if not (folder / BASE_LOCK).is_file():
            hint = "name the folder that base-images.lock.toml is in"
            raise SpecificationError("there are no locks", where=str(folder), hint=hint)
    return found


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise SpecificationError(f"not a size: {text[:50]!r}", where="--max-size", hint="write it like 20GB or 500 MiB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))


def _print(found: "Sweep", settings: Settings, *, dry: bool) -> None:
    verb = styled("would remove" if dry else "removed", "open", sys.stdout, settings)
    gone = {name: items for name, items in _items(found).items() if items}
    for name, items in gone.items():
        say(f"{verb}  {len(items)} {_PARTS[name][len(items) != 1]} ({size(sum(items))})")
    if not gone:
        say("nothing to remove")
    count = len(found.roots)
    say(
        f"kept     {size(found.chosen.needed)} for the locks of {count} {'workspace' if count == 1 else 'workspaces'}, "
        f"{size(found.chosen.recent)} of use lately"
    )
    sys.stdout.flush()
    for root in found.gone if not settings.quiet else ():
        tell(plain(f"no root any more: {root.workspace} is gone"))


def _json(found: "Sweep", *, dry: bool, over: bool) -> dict[str, Any]:
    return {
        "dry_run": dry,
        "removed": {name: {"count": len(items), "size": sum(items)} for name, items in _items(found).items()},
        "freed": found.chosen.freed,
        "kept": {"needed": found.chosen.needed, "recent": found.chosen.recent, "size": found.size},
        "over": over,
        "workspaces": [str(root.workspace) for root in found.roots],
        "gone": [str(root.workspace) for root in found.gone],
    }


def _items(found: "Sweep") -> dict[str, list[int]]:
    return {name: [item.size for item in getattr(found.chosen, name)] for name in _PARTS}
