"""All that builds need, gathered in one place: what `reprobuild lock vendor` does, and `fetch --from` undoes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.cli.opening import named, open_store, open_workspace
from reprobuild.cli.output import plain, say, size, tell
from reprobuild.cli.settings import Settings
from reprobuild.cli.vendor_target import VendorTarget, vendor_target
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.canonical import Digest
    from reprobuild.cli.progress import Display
    from reprobuild.lockfile import Lock
    from reprobuild.workspace import Workspace

__all__ = ["VendorRequest", "run_vendor", "take_vendored"]

_PARALLEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRequest:
    """The arguments of `reprobuild lock vendor`. *sources*: also what wheels are built from."""

    target: str
    names: Sequence[str] = ()
    sources: bool = False
    force: bool = False


def run_vendor(request: VendorRequest, settings: Settings) -> None:
    """Have at the target what building the connectors takes."""
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.planning import fresh_lock
    from reprobuild.cli.progress import open_display

    workspace = open_workspace(settings)
    chosen = named(workspace, request.names)
    target = vendor_target(request.target, settings.directory)
    lock = fresh_lock(workspace, chosen)
    with open_display(settings) as display:
        work = partial(_vendor, target, request, workspace, lock, chosen, settings, display)
        count, total = run_async(work, on_interrupt=display.close)
    say(plain(f"vendored  {target.text}  {count} blobs ({size(total)})"))
    if not settings.quiet:
        tell(plain(f"where there is no network: {_next_step(target)}"))


def _next_step(target: VendorTarget) -> str:
    if target.reference is None:
        return f"REPROBUILD_STORE={target.text} reprobuild build --all --offline"
    return f"reprobuild fetch --from {target.reference}, then reprobuild build --all --offline"


async def _vendor(
    target: VendorTarget,
    request: VendorRequest,
    workspace: "Workspace",
    lock: "Lock",
    chosen: Sequence[str],
    settings: Settings,
    display: "Display",
) -> tuple[int, int]:
    """Fetch into the user's store what is missing there, and copy; return how many blobs and bytes it is."""
    from reprobuild.cli.kit import open_builds
    from reprobuild.resolver.fetch import fetch

    store = open_store()
    builds = open_builds(workspace, store, display, settings)
    await fetch(workspace, lock, chosen, store, progress=display, builds=builds)
    blobs = await _needed(workspace, lock, chosen, store, display, sources=request.sources)
    await target.put(blobs, store, workspace.registries, progress=display, force=request.force)
    if target.reference is None:
        # The proof: a build there lacks nothing.
        there = Store(settings.directory / target.text)
        await fetch(workspace, lock, chosen, there, progress=display, offline=True)
    return len(blobs), sum(store.path(digest).stat().st_size for digest in blobs)


async def _needed(
    workspace: "Workspace", lock: "Lock", chosen: Sequence[str], store: Store, display: "Display", *, sources: bool
) -> "set[Digest]":
    from reprobuild.resolver.needed_blobs import needed_blobs
    from reprobuild.resolver.needed_wheels import needed_wheels
    from reprobuild.resolver.sdist_supply import supply_sources

    blobs = set(needed_blobs(workspace, lock, chosen, store))
    if sources:
        needed = needed_wheels(workspace, lock, chosen, store)
        for parts in (await supply_sources(needed, workspace, lock, store, progress=display)).values():
            blobs |= parts
    return blobs


async def take_vendored(text: str, settings: Settings, store: Store, display: "Display") -> None:
    """Have in *store* the blobs of the artifact *text*, a reference, that `run_vendor` has made somewhere.

    Raises SpecificationError if it is another thing, and what reading it raises.
    """
    from reprobuild.cli.origin import open_origin
    from reprobuild.gathering import gathered
    from reprobuild.oci.open import copy_blob
    from reprobuild.oci.source import read
    from reprobuild.vendored import parse_vendored

    async with open_origin(text, settings, store, where="--from") as origin:
        source = origin.source
        blobs = parse_vendored(await read(source, await source.resolve()), where=origin.reference)
        missing = [blob for blob in blobs if not store.has(blob.digest, blob.size)]
        task = display.task(f"taking {len(missing)} blobs", sum(blob.size for blob in missing))
        await gathered([partial(copy_blob, source, blob, store, task=task) for blob in missing], limit=_PARALLEL)
        task.finish()
