"""A build as it was asked for: plan, supply, build, print, record, write. What `reprobuild build` does."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.cli.choice import chosen_connectors
from reprobuild.cli.opening import open_store, open_workspace
from reprobuild.cli.planning import fresh_lock, planned
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.builder.build import BuildResult, Plan
    from reprobuild.cli.progress import Display
    from reprobuild.lockfile import Lock
    from reprobuild.oci.reference import FileReference
    from reprobuild.workspace import Workspace

__all__ = ["BuildRequest", "build_images", "run_build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """The options of `reprobuild build`, as they were given."""

    names: tuple[str, ...] = ()
    everything: bool = False
    changed_since: str | None = None
    platforms: tuple[str, ...] = ()
    offline: bool = False
    record: bool = False
    output: str | None = None
    json: bool = False
    substituter: str | None = None
    push_outputs: bool = False


def run_build(request: BuildRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: 1 if an image is not what its lock records."""
    workspace = open_workspace(settings)
    if request.substituter is not None or request.push_outputs:
        from reprobuild.cli.substituting import with_substituters

        workspace = with_substituters(workspace, request.substituter, push=request.push_outputs)
    chosen = chosen_connectors(request, workspace, settings)
    target = _destination(request.output, len(chosen))
    if not chosen:
        return _nothing(request)
    lock = fresh_lock(workspace, chosen)
    images = planned(workspace, lock, chosen, request.platforms)
    _check_target(target, images, len(chosen))
    results = _realised(images, workspace, lock, settings, offline=request.offline, whole=target is not None)
    from reprobuild.cli.built import print_hints, print_results, print_results_json

    print_results_json(results) if request.json else print_results(results, settings)
    if request.record:
        _record(workspace, results)
    if not request.json and not settings.quiet:
        print_hints(results, settings, record=request.record)
    differs = any(image.outcome == "mismatch" for result in results for image in result.images)
    if target is not None and not differs:
        _write(target, results, workspace, settings)
    return 1 if differs else 0


def _nothing(request: BuildRequest) -> int:
    if request.json:
        from reprobuild.cli.built import print_results_json

        print_results_json(())
    return 0


def _check_target(target: "FileReference | None", images: "Plan", connectors: int) -> None:
    if target is not None and target.transport == "docker-archive" and len(images) > connectors:
        from reprobuild.errors import SpecificationError

        hint = "add --platform, or write oci-archive:"
        raise SpecificationError("it holds images of one platform only", where=str(target), hint=hint)


def _realised(
    images: "Plan",
    workspace: "Workspace",
    lock: "Lock",
    settings: Settings,
    *,
    offline: bool,
    whole: bool,
) -> tuple["BuildResult", ...]:
    """Return what building *images* gives; without an event loop if the store has it all."""
    from reprobuild.builder.build import finished

    store = open_store()
    results = finished(images, store)
    if results is not None and not whole and not any(one.push == "all" for one in workspace.substituters):
        return results
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.cli.substituting import offered, substituted
    from reprobuild.cli.supply import supply_layers

    with open_display(settings) as display:

        async def work() -> tuple["BuildResult", ...]:
            plan = await substituted(images, workspace, store, display, offline=offline)
            built = await build_images(plan, workspace, lock, settings, display, offline=offline)
            await _require_contracts(plan, built, workspace, display)
            if whole:
                await supply_layers(plan, workspace, store, progress=display, offline=offline)
            await offered(built, plan, workspace, lock, store, settings, display, offline=offline)
            return built

        return run_async(work, on_interrupt=display.close)


async def build_images(
    images: "Plan", workspace: "Workspace", lock: "Lock", settings: Settings, display: "Display", *, offline: bool
) -> tuple["BuildResult", ...]:
    """Return what building *images* gives, with all that this takes brought into the user's store before."""
    from reprobuild.builder.build import build
    from reprobuild.cli.kit import open_kit
    from reprobuild.cli.supply import supply

    store = open_store()
    await supply(images, workspace, lock, store, progress=display, offline=offline)
    kit = None
    if any(image.derivation.hooks or image.derivation.bytecode != "none" for image in images):
        kit = open_kit(workspace, store, display, settings)
    return await build(images, store, display, workers=len(os.sched_getaffinity(0)), kit=kit)


async def _require_contracts(
    images: "Plan", built: Sequence["BuildResult"], workspace: "Workspace", display: "Display"
) -> None:
    """Raise ContentError if what has just been built breaks the contract of its base image."""
    if all(base.contract is None for base in workspace.bases.values()):
        return
    from anyio import to_thread

    from reprobuild.contract.built import require_kept

    made = [image for result in built for image in result.images]
    await to_thread.run_sync(require_kept, images, made, workspace.bases, open_store(), display)


def _record(workspace: "Workspace", results: Sequence["BuildResult"]) -> None:
    """Write new outputs into the locks, as they are by now; a mismatch is never written over."""
    from dataclasses import replace

    from reprobuild.builder.build import recorded
    from reprobuild.lock_files import read_lock
    from reprobuild.lock_writer import write_connector_lock
    from reprobuild.lockfile import lock_path
    from reprobuild.store import replace_file

    for result in results:
        new = tuple(image for image in result.images if image.outcome == "new")
        if new:
            lock = read_lock(workspace.root, [result.connector]).connectors[result.connector]
            text = write_connector_lock(recorded(lock, replace(result, images=new)))
            replace_file(workspace.root / lock_path(result.connector), text.encode())


def _destination(text: str | None, connectors: int) -> "FileReference | None":
    if text is None:
        return None
    from reprobuild.cli.destination import parse_destination

    return parse_destination(text, connectors)


def _write(
    target: "FileReference", results: Sequence["BuildResult"], workspace: "Workspace", settings: Settings
) -> None:
    from reprobuild.cli.destination import write_images
    from reprobuild.cli.output import plain, tell

    tags = write_images(target, results, workspace, open_store(), settings.directory)
    if not settings.quiet:
        tell(plain(f"wrote {target}: {', '.join(tags)}"))
