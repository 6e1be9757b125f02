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
    workspace: "Workspace", lock: "Lock", chosen: Sequence[str] | None, damaged: Mapping[str, str] | None = None
) -> tuple["Reason", ...]:
    """Return why *lock* does not fit the connectors *chosen*, None for everything; *damaged* as for `stale`."""
    from reprobuild.resolver.freshness import stale
    from reprobuild.resolver.pin_files import load_pins

    names = tuple(workspace.connectors) if chosen is None else chosen
    reasons = stale(workspace, lock, load_pins(workspace, names, open_store(workspace.root)), damaged=damaged)
    if chosen is None:
        return reasons
    subjects = {*chosen, *(workspace.connectors[name].base for name in chosen)}
    return tuple(reason for reason in reasons if reason.subject in subjects)


def found_reasons(workspace: "Workspace", chosen: Sequence[str] | None) -> tuple["Reason", ...]:
    """Return why the lock files in *workspace* do not fit the connectors *chosen*, None for everything."""
    from reprobuild.lock_files import find_lock

    found = find_lock(workspace.root)
    damaged = {path: damage.error.message for path, damage in found.damaged.items()}
    return stale_reasons(workspace, found.lock, chosen, damaged)
