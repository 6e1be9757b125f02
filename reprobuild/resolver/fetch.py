"""Everything that a lock names, into the store: wheels from the user's index, base images from where they are.

A lock holds no URLs. Wheels are found again by name, version, file name and digest (design §6): first in the
store, then in ``lock/wheels``, then on the index, which is asked once for each target.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import ContentError, LockError
from reprobuild.gathering import gathered
from reprobuild.lockfile import BaseImage, Lock, Sdist, Wheel
from reprobuild.oci.open import copy_blob, open_source
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import MANIFEST, Descriptor, Platform, parse_manifest
from reprobuild.progress import Progress
from reprobuild.resolver.distributions import offers_of
from reprobuild.resolver.inputs import supply_inputs
from reprobuild.resolver.offers import Offer
from reprobuild.resolver.placing import place, take
from reprobuild.selection import selected
from reprobuild.store import Store
from reprobuild.target import Target

if TYPE_CHECKING:
    from reprobuild.builder.sdist_wheels import SdistWheels
    from reprobuild.workspace import Workspace

__all__ = ["Needed", "download", "fetch", "fetch_base", "fetch_wheels", "needed_wheels"]

_PARALLEL = 8
_QUESTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A wheel with the distribution and version that an index knows it by, and a target that installs it.

    ``sdist`` is what it is built from if no index has it.
    """

    name: str
    version: str
    wheel: Wheel
    target: Target
    sdist: Sdist | None = None


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

    from reprobuild.resolver.sdist_supply import supply_built  # noqa: PLC0415 - it needs what is below

    needed = needed_wheels(workspace, lock, names, store)
    await fetch_wheels(needed, workspace.root, store, progress=progress, offline=offline)
    if builds is not None:
        await supply_built(needed, workspace, lock, builds, store, progress=progress, offline=offline)
    for name in names:
        await supply_inputs(workspace.connectors[name], lock.connectors[name], store, progress, offline)
    for base in sorted({lock.connectors[name].base for name in names}):
        await fetch_base(workspace, lock.bases[base], store, progress=progress, offline=offline)
    await to_thread.run_sync(place, [one.wheel for one in needed], workspace.root, store)


def needed_wheels(workspace: "Workspace", lock: Lock, names: Collection[str], store: Store) -> tuple[Needed, ...]:
    """Return what all platforms of the connectors *names* install, pinned pips included, each wheel once.

    Raises LockError if two locks mean different wheels by one file name.
    """
    needed: dict[str, Needed] = {}

    def need(name: str, version: str, wheel: Wheel, target: Target, sdist: Sdist | None = None) -> None:
        new = Needed(name=name, version=version, wheel=wheel, target=target, sdist=sdist)
        if needed.setdefault(wheel.file, new).wheel != wheel:
            raise LockError(
                "two locks have it with different hashes or sizes",
                where=wheel.file,
                hint=f"find out which one is right; then run `reprobuild lock update -P {name}`",
            )

    for name in names:
        connector, spec = lock.connectors[name], workspace.connectors[name]
        base = lock.bases[connector.base]
        packages = {wheel.file: one for one in connector.packages for wheel in one.wheels}
        for platform in spec.platforms:
            target = Target(platform=platform, python=base.python, libc=base.libc)
            for wheel in selected(store, connector, target):
                package = packages[wheel.file]
                need(package.name, package.version, wheel, target, package.sdist if wheel in package.built else None)
            if (pip := base.pip_wheel) is not None:
                need("pip", pip.file.split("-")[1], pip, target)
    return tuple(needed.values())


async def fetch_wheels(
    needed: Sequence[Needed], root: Path, store: Store, *, progress: Progress, offline: bool = False
) -> None:
    """Have the wheels of *needed* in the store, from ``lock/wheels`` or from the index of the workspace *root*.

    Those that are built from sdists are left to others.
    """
    from anyio import to_thread  # noqa: PLC0415

    missing = _missing([one for one in needed if one.sdist is None], store)
    await to_thread.run_sync(take, [one.wheel for one in missing], root, store, progress)
    missing = _missing(missing, store)
    if not missing:
        return
    if offline:
        raise _offline(missing)
    offers = await _located(missing, root)
    await download(offers, root, store, progress=progress)


async def download(offers: Iterable[Offer], root: Path, store: Store, *, progress: Progress) -> dict[str, Wheel]:
    """Have the wheels of *offers* in the store and return them by file name."""
    from reprobuild.resolver.download import Downloads  # noqa: PLC0415

    offers = {offer.file: offer for offer in offers}.values()
    there = {offer.file: wheel for offer in offers if (wheel := _stored(offer, store)) is not None}
    missing = [offer for offer in offers if offer.file not in there]
    if not missing:
        return there
    sizes = [offer.size for offer in missing if offer.size is not None]
    task = progress.task(f"fetching {len(missing)} wheels", sum(sizes) if len(sizes) == len(missing) else None)
    async with Downloads(root, store) as downloads:
        wheels = await gathered([partial(downloads.fetch, offer, task) for offer in missing], limit=_PARALLEL)
    task.finish()
    return there | {wheel.file: wheel for wheel in wheels}


def _stored(offer: Offer, store: Store) -> Wheel | None:
    if offer.digest is None or offer.size is None or not store.has(offer.digest, offer.size):
        return None
    return Wheel(file=offer.file, size=offer.size, digest=offer.digest)


async def fetch_base(
    workspace: "Workspace",
    base: BaseImage,
    store: Store,
    *,
    progress: Progress,
    offline: bool = False,
    platforms: Collection[Platform] = (),
) -> None:
    """Have the manifests, configs and layers of *base* in the store, for *platforms* or for all that it has.

    With *offline*, a base image on disk is still read, one in a registry is not: LockError.
    """
    absent = _absent(base, store, platforms)
    if not absent:
        return
    reference = parse_reference(base.image)
    if offline and isinstance(reference, RegistryReference):
        hint = "run `reprobuild fetch` while online"
        raise LockError(f"{absent[0].digest} is not in the store", where=base.image, hint=hint)
    source = open_source(
        reference,
        root=workspace.root,
        environ=os.environ,
        registries=workspace.registries,
    )
    try:
        while absent:
            task = progress.task(f"fetching {base.name}", sum(blob.size for blob in absent))
            await gathered([partial(copy_blob, source, blob, store, task=task) for blob in absent], limit=_QUESTIONS)
            task.finish()
            absent = _absent(base, store, platforms)
    finally:
        await source.close()


def _absent(base: BaseImage, store: Store, platforms: Collection[Platform]) -> list[Descriptor]:
    """Return what the store lacks of *base*: manifests first, for without them the rest is not known."""
    manifests = [
        Descriptor(media_type=MANIFEST, digest=one.manifest, size=one.size)
        for platform, one in base.platforms.items()
        if not platforms or platform in platforms
    ]
    if absent := [one for one in manifests if not store.has(one.digest, one.size)]:
        return absent
    blobs: dict[str, Descriptor] = {}
    for one in manifests:
        if one.size > DOCUMENT_LIMIT:
            raise LockError(f"{one.digest} is too large to be a manifest", where=base.name)
        manifest = parse_manifest(store.read(one.digest), where=base.image)
        blobs |= {blob.digest: blob for blob in (manifest.config, *manifest.layers)}
    return [blob for blob in blobs.values() if not store.has(blob.digest, blob.size)]


def _missing(needed: Iterable[Needed], store: Store) -> list[Needed]:
    return [one for one in needed if not store.has(one.wheel.digest, one.wheel.size)]


async def _located(missing: Sequence[Needed], root: Path) -> list[Offer]:
    """Return an offer for each of *missing*, with the size and digest that the lock has."""
    questions = [(target, batch) for target in _targets(missing) for batch in _batches(missing, target)]
    answers = await gathered(
        [partial(offers_of, batch, target, root, where=f"wheels for {target.platform}") for target, batch in questions],
        limit=_QUESTIONS,
    )
    found = {offer.file: offer for resolved in answers for one in resolved for offer in one.offers}
    return [_checked(one, found.get(one.wheel.file)) for one in missing]


def _targets(missing: Iterable[Needed]) -> list[Target]:
    return list(dict.fromkeys(one.target for one in missing))


def _batches(missing: Iterable[Needed], target: Target) -> list[dict[str, str]]:
    """Return names with versions to ask for together: of one name, an index can be asked for one version at a time."""
    batches: list[dict[str, str]] = []
    for one in missing:
        if one.target != target:
            continue
        batch = next((batch for batch in batches if batch.get(one.name, one.version) == one.version), None)
        if batch is None:
            batches.append(batch := {})
        batch[one.name] = one.version
    return batches


def _checked(needed: Needed, offer: Offer | None) -> Offer:
    wheel = needed.wheel
    if offer is None:
        raise LockError(
            "the index does not have this wheel any more",
            where=wheel.file,
            hint=f"put it into lock/wheels/, or run `reprobuild lock update -P {needed.name}`",
        )
    if offer.digest is not None and offer.digest != wheel.digest:
        raise ContentError(
            f"the index has it as {offer.digest}, the lock as {wheel.digest}",
            where=wheel.file,
            hint="find out who changed it; do not relock before you know",
        )
    return Offer(file=wheel.file, url=offer.url, size=wheel.size, digest=wheel.digest)


def _offline(missing: Sequence[Needed]) -> LockError:
    files = ", ".join(one.wheel.file for one in missing[:3])
    return LockError(
        f"{len(missing)} wheels are not in the store: {files}{' …' if len(missing) > 3 else ''}",
        hint="run `reprobuild fetch` while online, or put them into lock/wheels/",
    )
