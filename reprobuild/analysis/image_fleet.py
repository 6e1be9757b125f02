"""The images of a fleet, read wherever they are, each layer once. What cannot be read is missing, and said to be."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio import to_thread

from reprobuild.analysis.environment import settings_of
from reprobuild.analysis.facts import Cause, Fleet, ImageFacts, LayerSize, Missing
from reprobuild.analysis.image_facts import BaseImage, Subject, base_image, image_facts, shared_layers
from reprobuild.analysis.owned_paths import owned_paths
from reprobuild.analysis.score import scores_of
from reprobuild.analysis.sizes import causes_of, instructions_of
from reprobuild.canonical import Digest
from reprobuild.errors import ReprobuildError
from reprobuild.gathering import gathered
from reprobuild.image.index import RootLayer, index_rows
from reprobuild.oci.held import Remembering
from reprobuild.oci.source import read
from reprobuild.oci.types import Descriptor, Platform, parse_manifest
from reprobuild.progress import Progress
from reprobuild.sbom.inventory import ReadImage
from reprobuild.sbom.reading import read_image
from reprobuild.store import Store
from reprobuild.verify.images import view_of
from reprobuild.verify.reading import Origin

__all__ = ["Opener", "image_fleet"]

_AT_ONCE = 3
"""Images: each is a few ten thousand files in memory."""

Opener = Callable[[str], AbstractAsyncContextManager[Origin]]
"""From a reference to where its image is read, for a block; raises ReprobuildError."""


async def image_fleet(
    subjects: Sequence[Subject], *, platforms: Sequence[Platform], opened: Opener, store: Store, progress: Progress
) -> Fleet:
    """Return what the images of *subjects* are, on *platforms*, or on all that they are there for.

    *opened* opens references. Raises what is wrong with this machine; whatever is wrong with an image is missing.
    """
    reading = _Reading(platforms=platforms, opened=opened, store=store, progress=progress)
    task = progress.task("images", len(subjects))

    async def one(subject: Subject) -> list[ImageFacts]:
        found = await reading.image(subject)
        task.advance(1)
        return found

    found = await gathered([partial(one, subject) for subject in subjects], limit=_AT_ONCE)
    task.finish()
    key = lambda one: (one.connector, one.platform, one.reference)  # noqa: E731
    images = tuple(sorted((image for several in found for image in several), key=key))
    missing = tuple(sorted(reading.missing.values(), key=lambda one: one.name))
    return Fleet(images=images, settings=settings_of(images), scores=scores_of((), images), missing=missing)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Images under way. Bases are read once; two images never read a layer at the same time."""

    platforms: Sequence[Platform]
    opened: Opener
    store: Store
    progress: Progress
    missing: dict[str, Missing] = field(default_factory=dict)
    bases: dict[tuple[str, str], BaseImage | None] = field(default_factory=dict)
    sums: dict[Digest, int] = field(default_factory=dict)
    _locks: dict[str, anyio.Lock] = field(default_factory=dict)

    async def image(self, subject: Subject) -> list[ImageFacts]:
        """Return the image of *subject* on each platform; what cannot be read is noted."""
        try:
            async with self.opened(subject.reference) as origin:
                kept = Origin(reference=origin.reference, source=Remembering(origin.source), kept=origin.kept)
                view = await view_of(kept, self.platforms)
                return [await self._facts(kept, one, subject) for one in view.images.values()]
        except ReprobuildError as error:
            self._miss(subject.reference, error)
            return []

    async def _facts(self, origin: Origin, descriptor: Descriptor, subject: Subject) -> ImageFacts:
        image = await self._read(origin, descriptor)
        said = subject.base or image.manifest.annotations.get("org.opencontainers.image.base.name", "")
        base = await self._base(said, image.config.platform) if said else None
        layers = await to_thread.run_sync(partial(self._layers, image, subject, base))
        return await to_thread.run_sync(partial(image_facts, image, subject, base=base, layers=layers))

    async def _base(self, reference: str, platform: Platform) -> BaseImage | None:
        """Return the base as it is today; None, and a note, if it cannot be read."""
        key = reference, str(platform)
        async with self._lock(f"base {reference} {platform}"):
            if key not in self.bases:
                self.bases[key] = await self._read_base(reference, platform)
        return self.bases[key]

    async def _read_base(self, reference: str, platform: Platform) -> BaseImage | None:
        try:
            async with self.opened(reference) as origin:
                kept = Origin(reference=origin.reference, source=Remembering(origin.source), kept=origin.kept)
                view = await view_of(kept, [platform])
                image = await self._read(kept, next(iter(view.images.values())))
                return await to_thread.run_sync(base_image, image, reference)
        except ReprobuildError as error:
            self._miss(f"{reference} (a base image)", error)
            return None

    async def _read(self, origin: Origin, descriptor: Descriptor) -> ReadImage:
        manifest = parse_manifest(await read(origin.source, descriptor), where=origin.reference)
        async with self._locked(layer.digest for layer in manifest.layers):
            return await read_image(origin, descriptor, self.store, self.progress)

    def _layers(self, image: ReadImage, subject: Subject, base: BaseImage | None) -> tuple[LayerSize, ...]:
        """Return what the layers' bytes are there for; those of the base are not taken apart."""
        shared = shared_layers(image.config.diff_ids, base)
        owned = owned_paths(image.tree)
        said = instructions_of(image.config.history, len(image.manifest.layers))
        workdir = str(image.config.config.get("WorkingDir") or "")
        found = []
        for place, (layer, diff_id) in enumerate(zip(image.manifest.layers, image.config.diff_ids, strict=True)):
            root = RootLayer(descriptor=layer, diff_id=diff_id)
            causes: Mapping[str, int]
            if place < shared:
                causes = {Cause.BASE: self._sum(root, subject)}
            else:
                rows = index_rows(root, self.store, where=subject.reference)
                causes = causes_of(rows, owned=owned, workdir=workdir, connector=subject.connector)
            found.append(
                LayerSize(
                    digest=layer.digest,
                    compressed=layer.size,
                    causes=causes,
                    created_by=said[place],
                    is_base=place < shared,
                )
            )
        return tuple(found)

    def _sum(self, layer: RootLayer, subject: Subject) -> int:
        if layer.diff_id not in self.sums:
            rows = index_rows(layer, self.store, where=subject.reference)
            self.sums[layer.diff_id] = sum(causes_of(rows, owned=(), workdir="", connector="").values())
        return self.sums[layer.diff_id]

    def _miss(self, name: str, error: ReprobuildError) -> None:
        # A base that is wanted by fifty images is missing once.
        where = f"{error.where}: " if error.where and not error.where.startswith(name) else ""
        self.missing.setdefault(name, Missing(name=name, why=where + error.message, hint=error.hint or ""))

    def _lock(self, name: str) -> anyio.Lock:
        return self._locks.setdefault(name, anyio.Lock())

    @asynccontextmanager
    async def _locked(self, names: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks *names* for the block; in one order, so that nobody waits for somebody who waits for him."""
        async with AsyncExitStack() as stack:
            for name in sorted(set(names)):
                await stack.enter_async_context(self._lock(name))
            yield
