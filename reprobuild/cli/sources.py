"""All that images are made from, brought into the store whatever was made of it before: what rebuilds start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reprobuild.builder.compiler import compiling_platform
from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.cli.supply import supply_documents
from reprobuild.errors import ReprobuildError
from reprobuild.lockfile import Lock
from reprobuild.progress import Progress
from reprobuild.resolver.base_fetch import fetch_base
from reprobuild.resolver.inputs import supply_inputs
from reprobuild.resolver.needed_wheels import needed_wheels
from reprobuild.resolver.sdist_supply import supply_sources
from reprobuild.resolver.wheel_fetch import fetch_wheels
from reprobuild.store import Store
from reprobuild.verify.rebuild import ImageName, Obstacle

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["Sources", "Supplier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The images whose sources are all there, what wheels are built from, and why other images have to be left out."""

    images: tuple[PlannedImage, ...]
    built: Mapping[Digest, frozenset[Digest]] = field(default_factory=dict)
    obstacles: Mapping[ImageName, Obstacle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """Brings the sources of images into ``store``."""

    workspace: "Workspace"
    lock: Lock
    store: Store
    progress: Progress
    offline: bool

    async def sources(self, images: Sequence[PlannedImage]) -> Sources:
        """Have the sources of *images* in the store, as far as they are to be had; build nothing."""
        try:
            return Sources(images=tuple(images), built=await self._supplied(images))
        except ReprobuildError:
            return await self._one_by_one(images)

    async def _one_by_one(self, images: Sequence[PlannedImage]) -> Sources:
        there: list[PlannedImage] = []
        built: dict[Digest, frozenset[Digest]] = {}
        obstacles: dict[ImageName, Obstacle] = {}
        for image in images:
            try:
                built |= await self._supplied([image])
                there.append(image)
            except ReprobuildError as error:
                name = image.derivation.connector, str(image.derivation.platform)
                obstacles[name] = Obstacle(reason=str(error), hint=error.hint)
        return Sources(images=tuple(there), built=built, obstacles=obstacles)

    async def _supplied(self, images: Sequence[PlannedImage]) -> dict[Digest, frozenset[Digest]]:
        workspace, store, progress, offline = self.workspace, self.store, self.progress, self.offline
        names = list(dict.fromkeys(image.derivation.connector for image in images))
        installed = {wheel.digest for image in images for wheel in image.derivation.installed}
        needed = [one for one in needed_wheels(workspace, self.lock, names, store) if one.wheel.digest in installed]
        await fetch_wheels(needed, workspace.root, store, progress=progress, offline=offline)
        built = await supply_sources(needed, workspace, self.lock, store, progress=progress, offline=offline)
        for name in names:
            await supply_inputs(workspace.connectors[name], self.lock.connectors[name], store, progress, offline)
        for image in images:
            await supply_documents(image, workspace, store, offline=offline)
            derivation = image.derivation
            platforms = {derivation.platform} if derivation.hooks else set()
            platforms |= {compiling_platform(derivation.base)} if derivation.bytecode != "none" else set()
            if platforms:
                base = derivation.base
                await fetch_base(workspace, base, store, progress=progress, offline=offline, platforms=platforms)
        return built
