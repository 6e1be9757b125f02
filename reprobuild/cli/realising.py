"""From a plan to images in the user's store: what is substituted, what is fetched and built, and what goes on failing.

With failures to keep, what is wrong with one connector ends nothing else. What several need is brought together first;
only if that fails, for each connector by itself, so that the error finds its connectors.
"""

import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store
from reprobuild.cli.settings import Settings
from reprobuild.errors import AuthenticationError, NetworkError, ReprobuildError
from reprobuild.failures import Failures, kept

if TYPE_CHECKING:
    from reprobuild.builder.build import BuildResult, Plan
    from reprobuild.builder.plan import PlannedImage
    from reprobuild.cli.progress import Display
    from reprobuild.lockfile import Lock
    from reprobuild.workspace import Workspace

__all__ = ["build_images", "realised"]

_PATIENCE = 3
"""So many connectors in a row that a network fails: then it is the network, and the rest is not tried."""


def realised(
    images: "Plan",
    workspace: "Workspace",
    lock: "Lock",
    settings: Settings,
    *,
    offline: bool,
    whole: bool,
    jobs: int | None = None,
    failures: Failures | None = None,
) -> tuple["BuildResult", ...]:
    """Return what building *images* gives; without an event loop if the store has it all.

    With *whole*, their base images are brought into the store as well. *jobs*: threads at most, one for each processor
    if None. With *failures*, what is wrong with a connector is kept there, and there is no result for it.
    """
    from reprobuild.builder.build import finished

    store = open_store(workspace.root)
    results = finished(images, store)
    if results is not None and not whole and not any(one.push == "all" for one in workspace.substituters):
        return results
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.cli.substituting import offered
    from reprobuild.cli.supply import supply_layers

    with open_display(settings) as display:

        async def work() -> tuple["BuildResult", ...]:
            plan = await _substituted(images, workspace, display, offline=offline, failures=failures)
            built = await build_images(
                plan, workspace, lock, settings, display, offline=offline, jobs=jobs, failures=failures
            )
            built = await _with_contracts(plan, built, workspace, display, failures)
            if whole:
                layers = partial(supply_layers, workspace=workspace, store=store, progress=display, offline=offline)
                await _brought(_of(plan, built), layers, failures)
                built = _remaining(built, failures)
            await offered(built, plan, workspace, lock, store, settings, display, offline=offline)
            return built

        return run_async(work, on_interrupt=display.close)


async def build_images(
    images: "Plan",
    workspace: "Workspace",
    lock: "Lock",
    settings: Settings,
    display: "Display",
    *,
    offline: bool,
    jobs: int | None = None,
    failures: Failures | None = None,
) -> tuple["BuildResult", ...]:
    """Return what building *images* gives, with all that this takes brought into the user's store before."""
    from reprobuild.builder.build import build
    from reprobuild.cli.kit import open_kit
    from reprobuild.cli.supply import supply

    store = open_store(workspace.root)
    bring = partial(
        supply, workspace=workspace, lock=lock, store=store, progress=display, offline=offline, settings=settings
    )
    await _brought(images, bring, failures)
    kit = None
    if any(image.derivation.hooks or image.derivation.bytecode != "none" for image in images):
        kit = open_kit(workspace, store, display, settings)
    workers = jobs or len(os.sched_getaffinity(0))
    return await build(images, store, display, workers=workers, kit=kit, failures=failures)


async def _substituted(
    images: "Plan", workspace: "Workspace", display: "Display", *, offline: bool, failures: Failures | None
) -> "Plan":
    """Return *images* with those that a substituter has; going on, a failure there is no reason not to build."""
    from reprobuild.cli.substituting import substituted

    try:
        return await substituted(images, workspace, open_store(workspace.root), display, offline=offline)
    except ReprobuildError as error:
        if failures is None:
            raise
        display.warn(f"nothing is substituted: {error}")
        return images


async def _brought(images: "Plan", bring: Callable[["Plan"], Awaitable[None]], failures: Failures | None) -> None:
    """Do *bring* for all *images* at once; if that fails and *failures* are kept, for one connector at a time."""
    try:
        await bring(images)
    except ReprobuildError:
        if failures is None:
            raise
        await _brought_singly(images, bring, failures)


async def _brought_singly(images: "Plan", bring: Callable[["Plan"], Awaitable[None]], failures: Failures) -> None:
    unreachable: list[ReprobuildError] = []
    for name, own in _by_connector(images):
        if len(unreachable) >= _PATIENCE and any(image.manifest is None for image in own):
            failures.setdefault(name, unreachable[-1])
            continue
        with kept(failures, name):
            await bring(own)
        error = failures.get(name)
        unreachable = [*unreachable, error] if isinstance(error, NetworkError | AuthenticationError) else []


async def _with_contracts(
    images: "Plan",
    built: Sequence["BuildResult"],
    workspace: "Workspace",
    display: "Display",
    failures: Failures | None,
) -> tuple["BuildResult", ...]:
    """Return *built*; raise ContentError if what has just been built breaks the contract of its base image."""
    old = all(image.cached for result in built for image in result.images)
    if old or all(base.contract is None for base in workspace.bases.values()):
        return tuple(built)
    from anyio import to_thread

    from reprobuild.contract.built import require_kept

    store = open_store(workspace.root)
    groups = [tuple(built)] if failures is None else [(result,) for result in built]
    for group in groups:
        made = [image for result in group for image in result.images]
        with kept(failures, *(result.connector for result in group)):
            await to_thread.run_sync(require_kept, _of(images, group), made, workspace.bases, store, display)
    return _remaining(built, failures)


def _of(images: "Plan", results: Sequence["BuildResult"]) -> "Plan":
    """Return those of *images* that *results* are of."""
    names = {result.connector for result in results}
    return tuple(image for image in images if image.derivation.connector in names)


def _remaining(built: Sequence["BuildResult"], failures: Failures | None) -> tuple["BuildResult", ...]:
    return tuple(result for result in built if not failures or result.connector not in failures)


def _by_connector(images: "Plan") -> Iterator[tuple[str, "Plan"]]:
    grouped: dict[str, list[PlannedImage]] = {}
    for image in images:
        grouped.setdefault(image.derivation.connector, []).append(image)
    for name, own in grouped.items():
        yield name, tuple(own)
