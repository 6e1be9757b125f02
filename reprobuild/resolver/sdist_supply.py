"""Wheels that no index has: built again from what the lock says of their sdists, and held against their hashes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.sdist import is_pure
from reprobuild.builder.sdist_wheels import SdistJob, SdistWheels
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import BASE_LOCK, BaseImage, Lock, Sdist, Wheel
from reprobuild.progress import Progress
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.host import native
from reprobuild.resolver.locked_sdist import required_wheels
from reprobuild.resolver.needed_wheels import Needed
from reprobuild.resolver.offers import Offer
from reprobuild.resolver.placing import take
from reprobuild.resolver.uv import Question, Unresolved, ask
from reprobuild.resolver.wheel_fetch import download, fetch_wheels
from reprobuild.store import Store
from reprobuild.target import Target

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["needed_requirements", "supply_built", "supply_sources"]


def needed_requirements(sdist: Sdist, builder: BaseImage) -> tuple[Needed, ...]:
    """Return what *sdist* is built with on the platforms of *builder*, each wheel once."""
    needed: dict[str, Needed] = {}
    for platform in builder.platforms:
        target = Target(platform=platform, python=builder.python, libc=builder.libc)
        for wheel in required_wheels(sdist, target):
            name, version = wheel.file.split("-")[:2]
            needed.setdefault(wheel.file, Needed(name=name, version=version, wheel=wheel, target=target))
    return tuple(needed.values())


async def supply_built(
    needed: Sequence[Needed],
    workspace: "Workspace",
    lock: Lock,
    wheels: SdistWheels,
    store: Store,
    *,
    progress: Progress,
    offline: bool = False,
) -> None:
    """Have those of *needed* in the store that are built from sdists: from ``lock/wheels``, or built in the sandbox.

    Raises LockError for what is nowhere to be found, ContentError for a build that fails or gives another wheel than
    the lock has, and what engines and networks raise.
    """
    from anyio import to_thread  # noqa: PLC0415

    mine = [one for one in needed if one.sdist is not None and not store.has(one.wheel.digest, one.wheel.size)]
    await to_thread.run_sync(take, [one.wheel for one in mine], workspace.root, store, progress)
    for one in mine:
        if not store.has(one.wheel.digest, one.wheel.size):
            await _build(one, workspace, lock, wheels, store, progress=progress, offline=offline)


async def supply_sources(
    needed: Sequence[Needed],
    workspace: "Workspace",
    lock: Lock,
    store: Store,
    *,
    progress: Progress,
    offline: bool = False,
) -> dict[Digest, frozenset[Digest]]:
    """Have in the store what those of *needed* are made of that are built from sdists, and build nothing.

    Returns the blobs that building takes, by the digest of the wheel. Raises LockError for what is nowhere to be
    found, and what networks raise.
    """
    found = {}
    for one in needed:
        if one.sdist is not None:
            job = await _job(one, one.sdist, workspace, lock, store, progress=progress, offline=offline)
            manifest, _ = stored_manifest(job.builder, job.platform, store)
            documents = {job.builder.platforms[job.platform].manifest, manifest.config.digest}
            files = {job.digest, *(wheel.digest for wheel in one.sdist.requires)}
            found[one.wheel.digest] = frozenset(files | documents | {layer.digest for layer in manifest.layers})
    return found


async def _build(
    needed: Needed,
    workspace: "Workspace",
    lock: Lock,
    wheels: SdistWheels,
    store: Store,
    *,
    progress: Progress,
    offline: bool,
) -> None:
    assert needed.sdist is not None  # noqa: S101 - the caller's choice
    sdist = needed.sdist
    job = await _job(needed, sdist, workspace, lock, store, progress=progress, offline=offline)
    built = await wheels.wheel(job)
    if built != needed.wheel:
        raise ContentError(
            f"building it from {sdist.file} gives {built.file} as {built.digest}, the lock has {needed.wheel.digest}",
            where=needed.wheel.file,
            hint="its build is not reproducible, or the lock was edited: put the locked wheel into lock/wheels/, "
            f"or run `reprobuild lock update -P {needed.name}`",
        )


async def _job(
    needed: Needed,
    sdist: Sdist,
    workspace: "Workspace",
    lock: Lock,
    store: Store,
    *,
    progress: Progress,
    offline: bool,
) -> SdistJob:
    """Return how *needed* is built from *sdist*, with all that this takes in the store."""
    builder = _builder(sdist, lock)
    platform = (native(tuple(builder.platforms)) if is_pure(needed.wheel.file) else None) or needed.target.platform
    target = Target(platform=platform, python=needed.target.python, libc=needed.target.libc)
    await _have_sdist(needed, sdist, workspace.root, store, progress=progress, offline=offline)
    requirements = needed_requirements(sdist, builder)
    await fetch_wheels(requirements, workspace.root, store, progress=progress, offline=offline)
    await fetch_base(workspace, builder, store, progress=progress, offline=offline, platforms=[platform])
    on = Target(platform=platform, python=builder.python, libc=builder.libc)
    return SdistJob(
        name=needed.name,
        version=needed.version,
        file=sdist.file,
        digest=sdist.digest,
        builder=builder,
        requires=required_wheels(sdist, on),
        target=target,
    )


def _builder(sdist: Sdist, lock: Lock) -> BaseImage:
    if sdist.builder in lock.bases:
        return lock.bases[sdist.builder]
    raise LockError(
        f"the base image {sdist.builder} is not locked, and {sdist.file} is built on it",
        where=BASE_LOCK,
        hint="run `reprobuild lock update --bases`",
    )


async def _have_sdist(
    needed: Needed, sdist: Sdist, root: Path, store: Store, *, progress: Progress, offline: bool
) -> None:
    """Have *sdist* in the store, from ``lock/wheels`` or from the index."""
    from anyio import to_thread  # noqa: PLC0415

    file = Wheel(file=sdist.file, size=sdist.size, digest=sdist.digest)
    if store.has(file.digest, file.size):
        return
    await to_thread.run_sync(take, [file], root, store, progress)
    if store.has(file.digest, file.size):
        return
    if offline:
        hint = "run `reprobuild fetch` while online, or put it into lock/wheels/"
        raise LockError(f"{sdist.file} is not in the store, and {needed.wheel.file} is built from it", hint=hint)
    offer = await _located(needed, sdist, root)
    await download([offer], root, store, progress=progress)


async def _located(needed: Needed, sdist: Sdist, root: Path) -> Offer:
    """Return where the index has *sdist*, with the size and digest that the lock has."""
    requirement = f"{needed.name}=={needed.version}"
    question = Question(requirements=(requirement,), target=needed.target, dependencies=False, sources=True)
    try:
        found = [one.source for one in await ask(question, root, where=sdist.file) if one.source is not None]
    except Unresolved as failure:
        raise failure.error from failure
    if not found or found[0].file != sdist.file:
        raise LockError(
            "the index does not have this sdist any more",
            where=sdist.file,
            hint=f"put it into lock/wheels/, or run `reprobuild lock update -P {needed.name}`",
        )
    if found[0].digest not in {None, sdist.digest}:
        raise ContentError(
            f"the index has it as {found[0].digest}, the lock as {sdist.digest}",
            where=sdist.file,
            hint="find out who changed it; do not relock before you know",
        )
    return Offer(file=sdist.file, url=found[0].url, size=sdist.size, digest=sdist.digest)
