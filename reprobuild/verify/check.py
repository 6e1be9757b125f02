"""Images rebuilt from nothing under conditions that differ, held against each other and against the lock."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from anyio import to_thread

from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.verify.conditions import Conditions, conditions
from reprobuild.verify.differing_machine import hand_over, unvaried, wrapper
from reprobuild.verify.rebuild import Rebuilt, rebuild
from reprobuild.verify.seed import copy_workspace, seed_store, sources_of
from reprobuild.workspace import Workspace

__all__ = ["Answer", "Rebuilds", "Verdict", "rebuild_all", "verdicts"]

Answer = Literal["same", "mismatch", "unrecorded", "differs"]
"""All builds gave one digest: the lock's, not the lock's, or one that no lock records; or they gave several."""
_UNVARIED: Mapping[str, Mapping[str, Any]] = {
    "hostname": {"hostname": None},
    "user": {"other_user": False},
    "processors": {"processors": None},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one image: the digests of its rebuilds in order, and what the lock has for this derivation."""

    connector: str
    platform: Platform
    answer: Answer
    manifests: tuple[Digest, ...]
    recorded: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilds:
    """All rebuilds, and what could not be varied between them on this machine, with the reason."""

    builds: tuple[Rebuilt, ...]
    unvaried: tuple[tuple[str, str], ...]


async def rebuild_all(
    images: Sequence[PlannedImage],
    workspace: Workspace,
    store: Store,
    scratch: Path,
    varied: Collection[str],
    progress: Progress,
) -> Rebuilds:
    """Rebuild *images* below the empty folder *scratch*, which others may enter, varying what *varied* names.

    What *images* are made from is in *store*, of which nothing else is used. Raises ContentError for a rebuild that
    fails: what cannot be rebuilt is unknown, never the same.
    """
    plans = conditions(varied)
    missing = dict(found for plan in plans for found in unvaried(plan))
    task = progress.task("rebuilding from nothing", len(plans), unit="builds")
    builds: list[Rebuilt] = []
    for plan in plans:
        usable = replace(plan, **{key: value for name in missing for key, value in _UNVARIED.get(name, {}).items()})
        builds.append(await _rebuilt(usable, images, workspace, store, scratch, builds))
        task.advance(1)
    task.finish()
    return Rebuilds(builds=tuple(builds), unvaried=tuple(missing.items()))


def verdicts(images: Sequence[PlannedImage], builds: Sequence[Rebuilt]) -> tuple[Verdict, ...]:
    """Return what *builds* say of each of *images*."""
    return tuple(_verdict(image, builds) for image in images)


async def _rebuilt(
    plan: Conditions,
    images: Sequence[PlannedImage],
    workspace: Workspace,
    store: Store,
    scratch: Path,
    before: Sequence[Rebuilt],
) -> Rebuilt:
    folder = scratch / str(plan.number)
    home, copy = folder / plan.home, folder / plan.path
    home.mkdir(parents=True)
    await to_thread.run_sync(lambda: copy_workspace(workspace, copy, reverse=plan.reverse))
    if plan.store is None:
        own = await to_thread.run_sync(lambda: seed_store(store, folder / "store", sources_of(images, store)))
    else:
        own = next(one.store for one in before if one.conditions.number == plan.store)
        # The layers stay, the images have to be put together again.
        shutil.rmtree(own.root / "records" / "output", ignore_errors=True)
    if plan.other_user:
        hand_over(folder)
    words = [*dict.fromkeys(image.derivation.connector for image in images)]
    for platform in dict.fromkeys(image.derivation.platform for image in images):
        words += ["--platform", str(platform)]
    return await rebuild(plan, workspace=copy, store=own, home=home, words=words, wrapper=wrapper(plan))


def _verdict(image: PlannedImage, builds: Sequence[Rebuilt]) -> Verdict:
    derivation = image.derivation
    found = tuple(build.manifests[derivation.connector, str(derivation.platform)] for build in builds)
    recorded = image.recorded.manifest if image.recorded and image.recorded.derivation == image.key else None
    answer: Answer = "differs"
    if len(set(found)) == 1:
        answer = "unrecorded" if recorded is None else "same" if found[0] == recorded else "mismatch"
    return Verdict(
        connector=derivation.connector,
        platform=derivation.platform,
        answer=answer,
        manifests=found,
        recorded=recorded,
    )
