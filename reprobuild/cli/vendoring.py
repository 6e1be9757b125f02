"""All that builds need, as one folder: what `reprobuild lock vendor` does. The folder is a store."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.opening import named, open_store, open_workspace
from reprobuild.cli.output import plain, say, size, tell
from reprobuild.cli.settings import Settings
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.canonical import Digest
    from reprobuild.cli.progress import Display
    from reprobuild.lockfile import Lock
    from reprobuild.workspace import Workspace

__all__ = ["run_vendor"]


def run_vendor(folder: Path, names: Sequence[str], settings: Settings, *, sources: bool) -> None:
    """Have in *folder* what building the connectors *names* takes; with *sources*, what their wheels are built from."""
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.planning import fresh_lock
    from reprobuild.cli.progress import open_display
    from reprobuild.errors import SpecificationError

    workspace = open_workspace(settings)
    chosen = named(workspace, names)
    target = Store(settings.directory / folder)
    if target.root.exists() and any(target.root.iterdir()) and not (target.root / "blobs").is_dir():
        raise SpecificationError("the folder is not empty, and no store", where=str(folder), hint="choose another")
    lock = fresh_lock(workspace, chosen)
    with open_display(settings) as display:
        work = partial(_vendor, target, workspace, lock, chosen, settings, display, sources=sources)
        count, total = run_async(work, on_interrupt=display.close)
    say(plain(f"vendored  {folder}  {count} blobs ({size(total)})"))
    if not settings.quiet:
        tell(plain(f"where there is no network: REPROBUILD_STORE={folder} reprobuild build --all --offline"))


async def _vendor(
    target: Store,
    workspace: "Workspace",
    lock: "Lock",
    chosen: Sequence[str],
    settings: Settings,
    display: "Display",
    *,
    sources: bool,
) -> tuple[int, int]:
    """Fetch into the user's store what is missing there, and copy; return how many blobs and bytes it is."""
    from anyio import to_thread

    from reprobuild.cli.kit import open_builds
    from reprobuild.resolver.fetch import fetch, needed_wheels
    from reprobuild.resolver.needed_blobs import needed_blobs
    from reprobuild.resolver.sdist_supply import supply_sources

    store = open_store()
    builds = open_builds(workspace, store, display, settings)
    await fetch(workspace, lock, chosen, store, progress=display, builds=builds)
    blobs = set(needed_blobs(workspace, lock, chosen, store))
    if sources:
        needed = needed_wheels(workspace, lock, chosen, store)
        for parts in (await supply_sources(needed, workspace, lock, store, progress=display)).values():
            blobs |= parts
    total = sum(store.path(digest).stat().st_size for digest in blobs)
    task = display.task(f"copying {len(blobs)} blobs", total)
    for digest in sorted(blobs):
        task.advance(await to_thread.run_sync(_copy, digest, store, target))
    task.finish()
    # The proof: a build there lacks nothing.
    await fetch(workspace, lock, chosen, target, progress=display, offline=True)
    return len(blobs), total


def _copy(digest: "Digest", store: Store, target: Store) -> int:
    """Have the blob in *target*, its bytes checked; return how many they are."""
    length = store.path(digest).stat().st_size
    if not target.has(digest, length):
        target.add_chunks(store.chunks(digest), digest)
    return length
