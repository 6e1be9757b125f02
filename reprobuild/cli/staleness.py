"""Whether the locks of a workspace fit its specification, and why not."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store

if TYPE_CHECKING:
    from reprobuild.lockfile import Lock
    from reprobuild.resolver.freshness import Reason
    from reprobuild.workspace import Workspace

__all__ = ["found_reasons", "stale_reasons"]


def stale_reasons(
    workspace: "Workspace",
    lock: "Lock",
    chosen: Sequence[str] | None,
    damaged: Mapping[str, str] | None = None,
    *,
    incomplete: bool = False,
) -> tuple["Reason", ...]:
    """Return why *lock* does not fit the connectors *chosen*, None for everything; the others as for `stale`."""
    from reprobuild.resolver.freshness import stale
    from reprobuild.resolver.pin_files import load_pins

    names = tuple(workspace.connectors) if chosen is None else chosen
    pins = load_pins(workspace, names, open_store(workspace.root))
    return stale(workspace, lock, pins, names=chosen, damaged=damaged, incomplete=incomplete)


def found_reasons(workspace: "Workspace", chosen: Sequence[str] | None) -> tuple["Reason", ...]:
    """Return why the lock files in *workspace* do not fit the connectors *chosen*, None for everything."""
    from reprobuild.lock_files import find_lock

    found = find_lock(workspace.root)
    damaged = {path: damage.error.message for path, damage in found.damaged.items()}
    return stale_reasons(workspace, found.lock, chosen, damaged)
