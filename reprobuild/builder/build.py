"""Connectors built and held against the lock: what `reprobuild build` does once everything it needs is there.

`plan` and `finished` are synchronous and light, so that a build with nothing to do loads nothing more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprobuild.builder.image import assemble_index
from reprobuild.builder.outcome import BuiltImage, built_image
from reprobuild.builder.plan import PlannedImage, plan_connector
from reprobuild.failures import Failures, kept
from reprobuild.lockfile import ConnectorLock, Lock, Output
from reprobuild.oci.types import Descriptor, Platform
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.workspace import Workspace

if TYPE_CHECKING:
    from reprobuild.builder.hooked import Kit

__all__ = ["BuildResult", "Plan", "build", "finished", "plan", "recorded"]

Plan = tuple[PlannedImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A connector's images, one for each platform that was built, and the index that lists them."""

    connector: str
    index: Descriptor
    images: tuple[BuiltImage, ...]


def plan(
    workspace: Workspace,
    lock: Lock,
    names: Collection[str],
    store: Store,
    *,
    platforms: Collection[Platform] = (),
    failures: Failures | None = None,
) -> Plan:
    """Return the images of the connectors *names*, for *platforms* or for all that each is specified for.

    With *failures*, connectors that are there are left out, and what is wrong with one is kept.
    """
    images: list[PlannedImage] = []
    for name in names:
        if failures is None or name not in failures:
            with kept(failures, name):
                images += plan_connector(workspace, lock, name, store, platforms=platforms)
    return tuple(images)


def finished(images: Plan, store: Store) -> tuple[BuildResult, ...] | None:
    """Return the results of *images* if the store has them all; None if there is something to do."""
    built = []
    for image in images:
        if image.manifest is None:
            return None
        built.append(built_image(image, image.manifest, store, cached=True))
    return _results(images, built, store)


async def build(
    images: Plan,
    store: Store,
    progress: Progress,
    *,
    workers: int,
    kit: "Kit | None" = None,
    failures: Failures | None = None,
) -> tuple[BuildResult, ...]:
    """Build what is missing of *images* and return a result for each connector, in order.

    What must be in the store, and who needs a *kit*: see `realise`. *workers*: threads at most. With *failures*, there
    is no result for connectors that are there; what fails is kept.
    """
    if not failures and (known := finished(images, store)) is not None:
        return known
    from reprobuild.builder.realise import realise  # noqa: PLC0415 - anyio and installer, where there is work

    built = await realise(images, store, progress, workers=workers, kit=kit, failures=failures)
    if failures:
        images = tuple(image for image in images if image.derivation.connector not in failures)
    return _results(images, built, store)


def recorded(lock: ConnectorLock, result: BuildResult) -> ConnectorLock:
    """Return *lock* with the outputs of *result* in it; those of platforms that were not built stay."""
    outputs = {
        image.platform: Output(derivation=image.derivation, manifest=image.manifest.digest) for image in result.images
    }
    return replace(lock, outputs={**lock.outputs, **outputs})


def _results(images: Plan, built: Sequence[BuiltImage], store: Store) -> tuple[BuildResult, ...]:
    by_connector: dict[str, list[tuple[PlannedImage, BuiltImage]]] = {}
    for pair in zip(images, built, strict=True):
        by_connector.setdefault(pair[1].connector, []).append(pair)
    results = []
    for connector, pairs in by_connector.items():
        derivation = pairs[0][0].derivation
        index = assemble_index(
            [(one.platform, one.manifest) for _, one in pairs], derivation.shared_annotations, epoch=derivation.epoch
        )
        store.add(index.data)
        results.append(BuildResult(connector=connector, index=index.descriptor, images=tuple(one for _, one in pairs)))
    return tuple(results)
