"""Images and their bases, read wherever they are; each layer and each base once. What cannot be read is noted."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import anyio
from anyio import to_thread

from reprobuild.analysis.base import Base, annotated_base, bottom_of, fitting_base, tag_of
from reprobuild.analysis.facts import ImageFacts, Missing
from reprobuild.analysis.image_facts import Subject, image_facts
from reprobuild.analysis.layer_sizes import LayerSizes
from reprobuild.analysis.owned_paths import is_listing
from reprobuild.analysis.software import is_localtime, software_of
from reprobuild.canonical import Digest
from reprobuild.errors import MachineError, ReprobuildError
from reprobuild.oci.held import Remembering
from reprobuild.oci.source import read
from reprobuild.oci.types import Descriptor, Platform, parse_config, parse_manifest
from reprobuild.progress import Progress
from reprobuild.sbom.inventory import ReadImage
from reprobuild.sbom.reading import read_image
from reprobuild.sbom.shared_layers import SharedLayers, Wanted
from reprobuild.store import Store
from reprobuild.verify.images import view_of
from reprobuild.verify.reading import Origin

__all__ = ["ImageReading", "Opener"]

Opener = Callable[[str], AbstractAsyncContextManager[Origin]]
"""From a reference to where its image is read, for a block; raises ReprobuildError."""

_LISTING = "analysis"
"""What layers are remembered under: hashing every file takes a quarter of the time of reading one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An image that is open: where it is read, and its descriptor for each platform."""

    origin: Origin
    images: tuple[Descriptor, ...]


class ImageReading:
    """Images under way, for one event loop. *opened* opens references, *bases* are what images may stand on.

    One base that is given is that of all images. Of several it is the one whose layers an image has, and otherwise
    what is said of the image.
    """

    def __init__(
        self,
        *,
        opened: Opener,
        store: Store,
        progress: Progress,
        platforms: Sequence[Platform] = (),
        bases: Sequence[str] = (),
    ) -> None:
        self._opened = opened
        self._store = store
        self._progress = progress
        self._platforms = platforms
        self._given = tuple(dict.fromkeys(bases))
        wanted = Wanted(loaded=is_localtime, kept=is_listing, listing=_LISTING)
        self._shared = SharedLayers(store, wanted, processes=True)
        self._sizes = LayerSizes(store, self._shared.rows)
        self._missing: dict[str, Missing] = {}
        self._bases: dict[tuple[str, str], Base | None] = {}
        self._turns: dict[tuple[str, str], anyio.Lock] = {}

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What could not be read up to now, sorted by name."""
        return tuple(self._missing[name] for name in sorted(self._missing))

    @property
    def has_bases(self) -> bool:
        """Whether a base was read up to now."""
        return any(base is not None for base in self._bases.values())

    async def facts(self, subject: Subject, *, guess: bool = False) -> list[ImageFacts]:
        """Return the image of *subject* on each platform; what cannot be read is noted as missing.

        With *guess* the base of an image of which nothing is said is, of all that were read up to now, the one whose
        layers it has. Raises MachineError for what is wrong with this machine.
        """
        found: list[ImageFacts] = []
        try:
            async with self._open(subject.reference, self._platforms) as opened:
                for descriptor in opened.images:
                    try:
                        found.append(await self._facts(opened.origin, descriptor, subject, guess))
                    except ReprobuildError as error:
                        several = f" ({descriptor.platform})" if len(opened.images) > 1 else ""
                        self._miss(subject.reference + several, error)
        except ReprobuildError as error:
            self._miss(subject.reference, error)
        return found

    async def _facts(self, origin: Origin, descriptor: Descriptor, subject: Subject, guess: bool) -> ImageFacts:  # noqa: FBT001
        image = await read_image(origin, descriptor, self._store, self._progress, shared=self._shared)
        said = subject.base or annotated_base(image.manifest)
        base = await self._base_of(image, said)
        if base is None and guess and not said:
            platform = str(image.config.platform)
            base = fitting_base(image.config.diff_ids, (b for (_, p), b in self._bases.items() if b and p == platform))
        return await to_thread.run_sync(self._told, image, subject, base, said)

    def _told(self, image: ReadImage, subject: Subject, base: Base | None, said: str) -> ImageFacts:
        bottom = bottom_of(image.config, base)
        layers = self._sizes.of(image, connector=subject.connector, base_layers=bottom.layers, where=subject.reference)
        return image_facts(image, subject, software_of(image), base=base, said=said, layers=layers)

    async def _base_of(self, image: ReadImage, said: str) -> Base | None:
        platform = image.config.platform
        if len(self._given) == 1:
            return await self._base(self._given[0], platform)
        given = [base for text in self._given if (base := await self._base(text, platform)) is not None]
        if (fitting := fitting_base(image.config.diff_ids, given)) is not None:
            return fitting
        return await self._base(said, platform) if said else None

    async def _base(self, reference: str, platform: Platform) -> Base | None:
        """Return the base as it is today; None, and a note, if it cannot be read."""
        key = reference, str(platform)
        async with self._turns.setdefault(key, anyio.Lock()):
            if key not in self._bases:
                self._bases[key] = await self._read_base(reference, platform)
        return self._bases[key]

    async def _read_base(self, reference: str, platform: Platform) -> Base | None:
        tag = tag_of(reference)
        try:
            base = await self._one_base(reference, platform)
        except ReprobuildError as error:
            self._miss(f"{reference} (a base image)", error)
            # A digest that is gone: what has the tag today tells more than nothing.
            return await self._base(tag, platform) if tag and not isinstance(error, MachineError) else None
        if "@" not in reference:
            return base
        return replace(base, today=await self._today(tag, platform) if tag else None)

    async def _one_base(self, reference: str, platform: Platform) -> Base:
        async with self._open(reference, [platform]) as opened:
            image = await read_image(opened.origin, opened.images[0], self._store, self._progress, shared=self._shared)
        software = await to_thread.run_sync(software_of, image)
        return Base(
            reference=reference,
            diff_ids=image.config.diff_ids,
            today=image.config.diff_ids,
            environment=image.config.env,
            packages=software.os_packages,
        )

    async def _today(self, tag: str, platform: Platform) -> tuple[Digest, ...] | None:
        """Return the diffIDs of what *tag* leads to; None if that cannot be read, which is no matter here."""
        try:
            async with self._open(tag, [platform]) as opened:
                manifest = parse_manifest(await read(opened.origin.source, opened.images[0]), where=tag)
                return parse_config(await read(opened.origin.source, manifest.config), where=tag).diff_ids
        except ReprobuildError:
            return None

    @asynccontextmanager
    async def _open(self, reference: str, platforms: Sequence[Platform]) -> AsyncIterator[_Open]:
        async with self._opened(reference) as origin:
            passing = Origin(reference=origin.reference, source=Remembering(origin.source), kept=origin.kept)
            view = await view_of(passing, platforms)
            yield _Open(origin=passing, images=tuple(view.images.values()))

    def _miss(self, name: str, error: ReprobuildError) -> None:
        if isinstance(error, MachineError):
            raise error
        # A base that is wanted by fifty images is missing once.
        where = f"{error.where}: " if error.where and not error.where.startswith(name) else ""
        self._missing.setdefault(name, Missing(name=name, why=where + error.message, hint=error.hint or ""))
