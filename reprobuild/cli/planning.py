"""What a command is to build: a lock that fits the specification, and the images of the chosen connectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store
from reprobuild.failures import Failures, kept

if TYPE_CHECKING:
    from reprobuild.builder.build import Plan
    from reprobuild.lockfile import Lock
    from reprobuild.oci.types import Platform
    from reprobuild.workspace import Workspace

__all__ = ["fresh_lock", "planned", "wanted_platforms"]


def fresh_lock(workspace: "Workspace", chosen: Sequence[str], failures: Failures | None = None) -> "Lock":
    """Return the lock of the connectors *chosen*; raise LockError if it does not fit the specification.

    With *failures*, what is wrong with one connector's lock is kept there.
    """
    from reprobuild.lock_files import read_lock

    incomplete = bool(failures)
    lock = read_lock(workspace.root, chosen, failures)
    if failures is None:
        _require_fresh(workspace, lock, chosen)
        return lock
    for name in chosen:
        if name not in failures:
            with kept(failures, name):
                _require_fresh(workspace, lock, [name], incomplete=incomplete)
    return lock


def _require_fresh(workspace: "Workspace", lock: "Lock", chosen: Sequence[str], *, incomplete: bool = False) -> None:
    from reprobuild.cli.staleness import stale_reasons
    from reprobuild.errors import LockError

    if reasons := stale_reasons(workspace, lock, chosen, incomplete=incomplete):
        more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
        stale = {reason.subject for reason in reasons}
        names = [name for name in chosen if not stale.isdisjoint({name, workspace.connectors[name].base})]
        raise LockError(
            f"stale: {reasons[0]}{more}",
            where=reasons[0].where,
            hint=f"run `reprobuild lock update {' '.join(names)}`, look at what changes, and commit it",
        )


def wanted_platforms(
    workspace: "Workspace", chosen: Sequence[str], platforms: Sequence[str], failures: Failures | None = None
) -> tuple["Platform", ...]:
    """Return *platforms*, as they were written, if all of *chosen* are for them; else raise SpecificationError."""
    from reprobuild.errors import SpecificationError
    from reprobuild.oci.types import parse_platform

    wanted = tuple(parse_platform(text, where="--platform") for text in platforms)
    for name in chosen:
        known = workspace.connectors[name].platforms
        if unknown := [platform for platform in wanted if platform not in known]:
            hint = f"it is for {', '.join(map(str, known))}; add the platform to the specification and lock again"
            with kept(failures, name):
                raise SpecificationError(f"{name} is not for {unknown[0]}", where="--platform", hint=hint)
    return wanted


def planned(
    workspace: "Workspace",
    lock: "Lock",
    chosen: Sequence[str],
    platforms: Sequence[str],
    failures: Failures | None = None,
) -> "Plan":
    """Return the images of *chosen* for *platforms*, all of theirs if empty; raise SpecificationError for others.

    With *failures*, connectors that are there are left out, and what is wrong with one is kept.
    """
    from reprobuild.builder.build import plan

    wanted = wanted_platforms(workspace, chosen, platforms, failures)
    return plan(workspace, lock, chosen, open_store(workspace.root), platforms=wanted, failures=failures)
