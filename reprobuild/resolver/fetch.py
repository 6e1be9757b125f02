"""Everything that a lock names, into the store: wheels, what they are built from, inputs and base images."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from reprobuild.lockfile import Lock
from reprobuild.progress import Progress
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.inputs import supply_inputs
from reprobuild.resolver.needed_wheels import needed_wheels
from reprobuild.resolver.placing import place
from reprobuild.resolver.sdist_supply import supply_built
from reprobuild.resolver.wheel_fetch import fetch_wheels
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.builder.sdist_wheels import SdistWheels
    from reprobuild.workspace import Workspace

__all__ = ["fetch"]


async def fetch(
    workspace: "Workspace",
    lock: Lock,
    names: Collection[str],
    store: Store,
    *,
    progress: Progress,
    offline: bool = False,
    builds: "SdistWheels | None" = None,
) -> None:
    """Have everything that building the connectors *names* needs in the store, and their wheels in ``lock/wheels``.

    With *offline*, only this machine is looked at. Raises LockError for a wheel or input that is nowhere to be found,
    ContentError for one that is another, and what networks raise. What has been fetched stays, so that the next try
    has less to do. *builds* makes the wheels that no index has.
    """
    from anyio import to_thread  # noqa: PLC0415

    needed = needed_wheels(workspace, lock, names, store)
    await fetch_wheels(needed, workspace.root, store, progress=progress, offline=offline)
    if builds is not None:
        await supply_built(needed, workspace, lock, builds, store, progress=progress, offline=offline)
    for name in names:
        await supply_inputs(workspace.connectors[name], lock.connectors[name], store, progress, offline)
    for base in sorted({lock.connectors[name].base for name in names}):
        await fetch_base(workspace, lock.bases[base], store, progress=progress, offline=offline)
    await to_thread.run_sync(place, [one.wheel for one in needed], workspace.root, store)
