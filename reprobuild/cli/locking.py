"""The lock of a workspace, made to fit its specification: what `lock update` writes, and others go on with."""

import os
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.failures import Failures
    from reprobuild.lockfile import Lock
    from reprobuild.resolver.update import Update, Wishes
    from reprobuild.workspace import Workspace

__all__ = ["updated_lock"]


def updated_lock(
    workspace: "Workspace",
    wishes: "Wishes",
    settings: Settings,
    failures: "Failures | None" = None,
    jobs: int | None = None,
) -> "Update":
    """Return the lock that fits the specification; nothing is written but the store.

    With *failures*, a connector that fails keeps the lock that it has. *jobs*: questions that uv is asked at a time.
    """
    from reprobuild.cli.kit import open_executions
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.lock_files import find_lock
    from reprobuild.resolver.moved_tags import moved_tags
    from reprobuild.resolver.update import update as updated

    found = find_lock(workspace.root)
    _check_packages(wishes, found.lock, workspace)
    with open_display(settings) as display:

        async def work() -> "Update":
            store = open_store(workspace.root)
            executions = open_executions(workspace, store, display, settings)
            new = await updated(
                workspace,
                found,
                wishes,
                store=store,
                progress=display,
                executions=executions,
                failures=failures,
                jobs=jobs or max(2, len(os.sched_getaffinity(0))),
            )
            for moved in await moved_tags(workspace, new.lock, wishes.names, strict=False):
                display.note(f"the tag of base image {moved.subject} has moved: {moved.old} → {moved.new}")
                display.note("the lock stays as it is; `reprobuild lock update --bases` follows the tag")
            return new

        return run_async(work, on_interrupt=display.close)


def _check_packages(wishes: "Wishes", lock: "Lock", workspace: "Workspace") -> None:
    """Raise SpecificationError for a distribution that no lock has: a wish that would silently do nothing."""
    from difflib import get_close_matches

    from reprobuild.errors import SpecificationError
    from reprobuild.lockfile import normal_name
    from reprobuild.resolver.wishes import movable

    names = workspace.connectors if wishes.names is None else wishes.names
    if any(name not in lock.connectors for name in names):
        return
    locked = {known for name in names for known in movable(lock.connectors[name])}
    for package in wishes.packages:
        normal = normal_name(package)
        if normal not in locked:
            similar = get_close_matches(normal, locked, n=1)
            hint = f"did you mean {similar[0]}?" if similar else "the name alone, as it stands in lock/"
            raise SpecificationError(f"no lock has a distribution or input {package!r}", where="-P", hint=hint)
