"""What a command is to build: a lock that fits the specification, and the images of the chosen connectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store

if TYPE_CHECKING:
    from reprobuild.builder.build import Plan
    from reprobuild.lockfile import Lock
    from reprobuild.oci.types import Platform
    from reprobuild.workspace import Workspace

__all__ = ["fresh_lock", "planned", "wanted_platforms"]


def fresh_lock(workspace: "Workspace", chosen: Sequence[str]) -> "Lock":
    """Return the lock of the connectors *chosen*; raise LockError if it does not fit the specification."""
    from reprobuild.cli.staleness import stale_reasons
    from reprobuild.errors import LockError
    from reprobuild.lock_files import read_lock

    lock = read_lock(workspace.root, chosen)
    if reasons := stale_reasons(workspace, lock, chosen):
        more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
        raise LockError(
            f"stale: {reasons[0]}{more}",
            where=reasons[0].where,
            hint=f"run `reprobuild lock update {' '.join(chosen)}`, look at what changes, and commit it",
        )
    return lock


def wanted_platforms(workspace: "Workspace", chosen: Sequence[str], platforms: Sequence[str]) -> tuple["Platform", ...]:
    """Return *platforms*, as they were written, if all of *chosen* are for them; else raise SpecificationError."""
    from reprobuild.errors import SpecificationError
    from reprobuild.oci.types import parse_platform

    wanted = tuple(parse_platform(text, where="--platform") for text in platforms)
    for name in chosen:
        known = workspace.connectors[name].platforms
        if unknown := [platform for platform in wanted if platform not in known]:
            raise SpecificationError(
                f"{name} is not for {unknown[0]}",
                where="--platform",
                hint=f"it is for {', '.join(map(str, known))}; add the platform to the specification and lock again",
            )
    return wanted


def planned(workspace: "Workspace", lock: "Lock", chosen: Sequence[str], platforms: Sequence[str]) -> "Plan":
    """Return the images of *chosen* for *platforms*, all of theirs if empty; raise SpecificationError for others."""
    from reprobuild.builder.build import plan

    wanted = wanted_platforms(workspace, chosen, platforms)
    return plan(workspace, lock, chosen, open_store(), platforms=wanted)
