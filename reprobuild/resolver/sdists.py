"""Sdists of an update: those that resolutions choose are built, each once for all connectors that need it.

A workspace builds an sdist with one set of build requirements: what one connector's lock says of it holds for the
next connector, as long as it fits the specification. Two locks could otherwise mean different wheels by one name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprobuild.builder.sdist import is_pure
from reprobuild.builder.sdist_wheels import SdistJob, SdistWheels
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import BaseImage, ConnectorLock, Lock, Package, Sdist, Wheel
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress
from reprobuild.resolver.agreement import Choice
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.build_requirements import BuildRequirements
from reprobuild.resolver.distributions import Wanted, resolve
from reprobuild.resolver.host import build_order
from reprobuild.resolver.locked_sdist import builder_of, check_builder, required_wheels, stale_sdist
from reprobuild.resolver.offers import Offer, best_offer
from reprobuild.resolver.sdist_supply import needed_requirements
from reprobuild.resolver.stand_ins import Source, StandIns
from reprobuild.resolver.wheel_fetch import download, fetch_wheels
from reprobuild.resolver.wishes import Wishes
from reprobuild.store import Store
from reprobuild.target import Target

if TYPE_CHECKING:
    import anyio

    from reprobuild.builder.executions import Executions
    from reprobuild.workspace import Workspace

__all__ = ["Sdists"]

_ROUNDS = 24
"""How often one resolution may find that it needs another sdist."""


def _staying(lock: Lock, workspace: "Workspace", wishes: Wishes) -> dict[Digest, Package]:
    """Return by sdist the packages of *lock* that are to be built as before: fresh ones that some connector keeps."""
    kept: dict[Digest, Package] = {}
    for name, connector in sorted(lock.connectors.items()):
        moving = wishes.names is None or name in wishes.names
        spec = workspace.connectors.get(name)
        for package in connector.packages:
            if spec is None or package.sdist is None or (moving and wishes.moves(package.name)):
                continue
            builder = builder_of(workspace, spec.base)
            if stale_sdist(package.sdist, builder, workspace.build_constraints) is None:
                kept.setdefault(package.sdist.digest, package)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What a lock says of an sdist, and the wheels that were built of it now."""

    sdist: Sdist
    wheels: tuple[Wheel, ...]


class Sdists:
    """Resolves with sdists for the connectors of one update.

    *bases* are those that the update locks, *lock* is the old one.
    """

    def __init__(
        self,
        workspace: "Workspace",
        bases: Mapping[str, BaseImage],
        lock: Lock,
        wishes: Wishes,
        executions: "Executions",
        *,
        store: Store,
        progress: Progress,
    ) -> None:
        self._workspace, self._bases, self._old = workspace, bases, lock.bases
        self._known = _staying(lock, workspace, wishes)
        self._sdists = {digest: package.sdist for digest, package in self._known.items() if package.sdist is not None}
        self._wheels = SdistWheels(executions=executions, store=store, epoch=workspace.epoch)
        self._store, self._progress = store, progress
        self._locks: dict[Digest, anyio.Lock] = {}

    async def resolve(self, wanted: Wanted, base: BaseImage, before: ConnectorLock | None) -> tuple[Choice, ...]:
        """Return what `reprobuild.resolver.distributions.resolve` does, with sdists built where wheels do not do.

        Wheels that were built for *before*, the connector's old lock, are taken again where they still serve.
        """
        stand_ins = StandIns(self._workspace.root, self._store)
        made = self._kept(base, before, stand_ins)
        for _ in range(_ROUNDS):
            choices = await resolve(replace(wanted, stand_ins=stand_ins), self._workspace.root)
            chosen = [one for choice in choices for one in _chosen(choice, stand_ins, wanted.targets)]
            if not chosen:
                return tuple(_finished(choice, stand_ins, made) for choice in choices)
            for source, targets in chosen:
                found = await self._made(source, base, targets)
                made[source.name, source.version] = found.sdist
                stand_ins.add(found.wheels, source)
        raise LockError(
            f"it needs more than {_ROUNDS} sdists one after another",
            where=wanted.name,
            hint="pin versions of its requirements that have wheels",
        )

    def _kept(self, base: BaseImage, before: ConnectorLock | None, stand_ins: StandIns) -> dict[tuple[str, str], Sdist]:
        """Lay the wheels that were built before beside the index, where nothing has changed for them."""
        kept: dict[tuple[str, str], Sdist] = {}
        for package in before.packages if before is not None else ():
            known = self._known.get(package.sdist.digest) if package.sdist is not None else None
            if known is None or known.sdist is None or not self._is_unmoved(builder_of(self._workspace, base.name)):
                continue
            if all(self._store.has(wheel.digest, wheel.size) for wheel in package.built):
                stand_ins.add(package.built)
                kept[package.name, package.version] = known.sdist
        return kept

    def _is_unmoved(self, builder: str) -> bool:
        return self._old.get(builder) == self._bases.get(builder)

    async def _made(self, source: Source, base: BaseImage, targets: Sequence[Target]) -> _Made:
        import anyio  # noqa: PLC0415

        (file,) = (await download([source.offer], self._workspace.root, self._store, progress=self._progress)).values()
        builder = self._builder(base)
        async with self._locks.setdefault(file.digest, anyio.Lock()):
            sdist = self._sdists.get(file.digest)
            if sdist is None or sdist.builder != builder.name:
                sdist = await self._described(source, file, builder, targets)
                self._sdists[file.digest] = sdist
            return _Made(sdist=sdist, wheels=await self._built(source, sdist, builder, targets))

    def _builder(self, base: BaseImage) -> BaseImage:
        builder = self._bases[builder_of(self._workspace, base.name)]
        check_builder(base, builder)
        return builder

    async def _described(self, source: Source, file: Wheel, builder: BaseImage, targets: Sequence[Target]) -> Sdist:
        """Return what to lock of the sdist *file*: with what it is built."""
        empty = Sdist(file=file.file, size=file.size, digest=file.digest, builder=builder.name, requires=())
        target = build_order(targets, builder)[0]

        async def backend(requires: tuple[Wheel, ...]) -> tuple[str, ...]:
            sdist = replace(empty, requires=requires)
            await self._layers(builder, target.platform)
            return await self._wheels.required(self._job(source, sdist, builder, target))

        requirements = BuildRequirements(
            root=self._workspace.root,
            constraints=self._workspace.build_constraints,
            store=self._store,
            progress=self._progress,
        )
        system = self._wheels.build_system(file.file, file.digest)
        requires = await requirements.find(system, builder, backend, where=f"{source.name} {source.version}")
        return replace(empty, requires=requires)

    async def _built(
        self, source: Source, sdist: Sdist, builder: BaseImage, targets: Sequence[Target]
    ) -> tuple[Wheel, ...]:
        """Return the wheels for *targets*: one if it serves all of them, else one for each."""
        root, built = self._workspace.root, {}
        await fetch_wheels(needed_requirements(sdist, builder), root, self._store, progress=self._progress)
        for target in build_order(targets, builder):
            await self._layers(builder, target.platform)
            job = self._job(source, sdist, builder, target)
            wheel = await self._wheels.wheel(job, proved=True)
            self._check(wheel, builder)
            if self._wheels.is_hollow(wheel):
                self._progress.warn(
                    f"{wheel.file} is for one platform and holds nothing compiled: "
                    f"does its build miss a compiler on {builder.name}?"
                )
            if is_pure(wheel.file):
                return (wheel,)
            if target in targets:
                built[target] = wheel
        return tuple(built.values())

    def _check(self, wheel: Wheel, builder: BaseImage) -> None:
        """Raise ContentError if nothing has changed and *wheel* is another one than that in a lock."""
        for package in self._known.values() if self._is_unmoved(builder.name) else ():
            for before in package.built:
                if before.file == wheel.file and before.digest != wheel.digest and package.sdist is not None:
                    raise ContentError(
                        f"it was built as {wheel.digest}, the lock has {before.digest}",
                        where=wheel.file,
                        hint=f"find out what differs; `reprobuild lock update -P {package.name}` locks it anew",
                    )

    async def _layers(self, builder: BaseImage, platform: Platform) -> None:
        await fetch_base(self._workspace, builder, self._store, progress=self._progress, platforms=[platform])

    @staticmethod
    def _job(source: Source, sdist: Sdist, builder: BaseImage, target: Target) -> SdistJob:
        on = Target(platform=target.platform, python=builder.python, libc=builder.libc)
        return SdistJob(
            name=source.name,
            version=source.version,
            file=sdist.file,
            digest=sdist.digest,
            builder=builder,
            requires=required_wheels(sdist, on),
            target=target,
        )


def _chosen(choice: Choice, stand_ins: StandIns, targets: Sequence[Target]) -> list[tuple[Source, tuple[Target, ...]]]:
    """Return the sdist that is to be built for *choice*, if there is one, for the targets that no real wheel serves."""
    needing = [target for target in targets if _is_for(choice, target)]
    real = [offer for offer in choice.offers if stand_ins.source(offer.file) is None]
    lacking = tuple(target for target in needing if best_offer(real, target) is None)
    sources = [source for offer in choice.offers if (source := stand_ins.source(offer.file)) is not None]
    return [(source, lacking) for source in sources]


def _is_for(choice: Choice, target: Target) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415

    return choice.marker is None or Marker(choice.marker).evaluate(target.environment)


def _finished(choice: Choice, stand_ins: StandIns, made: Mapping[tuple[str, str], Sdist]) -> Choice:
    """Return *choice* with its sdist, if wheels of it were built, and with what is known of those."""
    built = {offer.file: wheel for offer in choice.offers if (wheel := stand_ins.built(offer.file)) is not None}
    if not built:
        return choice
    offers = tuple(
        Offer(file=offer.file, url="", size=built[offer.file].size, digest=built[offer.file].digest)
        if offer.file in built
        else offer
        for offer in choice.offers
    )
    return replace(choice, offers=offers, sdist=made[choice.name, choice.version])
