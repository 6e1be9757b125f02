"""What a build would do, told before it does it: for each image what becomes of it, and the bytes that this takes.

Bytes of what is not made yet are those of the wheels that it will be made of: layers come out about as large.
What several images share counts for the first of them, so that the sums are those of the whole build.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reprobuild.builder.assembly import keys_of, stored_fragment
from reprobuild.builder.fragment import Fragment
from reprobuild.builder.layer import known_layer
from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.lockfile import Lock, Package, Wheel
from reprobuild.oci.types import Descriptor, parse_manifest
from reprobuild.store import Store
from reprobuild.substituter.available import Available

__all__ = ["Forecast", "Surroundings", "forecast"]

Action = Literal["up to date", "substitute", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What becomes of ``image``, and the bytes to bring here, to make and to push; ``push`` is None without a place."""

    image: PlannedImage
    action: Action
    fetch: int
    make: int
    push: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the store does not say.

    ``local``: whether a wheel lies in the workspace; ``hosts``: the registry of each connector that has one; ``sent``:
    whether a registry should have a blob; ``offers``: what substituters have, by derivation.
    """

    local: Callable[[Wheel], bool]
    hosts: Mapping[str, str]
    sent: Callable[[str, Digest], bool]
    offers: Mapping[Digest, Available]


def forecast(
    images: Sequence[PlannedImage], lock: Lock, store: Store, surroundings: Surroundings
) -> tuple[Forecast, ...]:
    """Return what building *images*, of connectors in *lock*, would do with *store* as it is. Nothing is changed."""
    run = _Run(lock, store, surroundings)
    return tuple(run.forecast(image) for image in images)


class _Run:
    """Counts each thing once."""

    def __init__(self, lock: Lock, store: Store, surroundings: Surroundings) -> None:
        self._lock, self._store, self._around = lock, store, surroundings
        self._fetched: set[Hashable] = set()
        self._made: set[Hashable] = set()
        self._pushed: set[Hashable] = set()
        self._fragments: dict[Digest, Fragment | None] = {}

    def forecast(self, image: PlannedImage) -> Forecast:
        derivation = image.derivation
        if image.manifest is not None:
            blobs = self._blobs(image.manifest.digest)
            return Forecast(image=image, action="up to date", fetch=0, make=0, push=self._push(derivation, blobs))
        if (offer := self._around.offers.get(image.key)) is not None:
            blobs = [(layer.digest, layer.size) for layer in (*self._base_layers(derivation), *offer.layers)]
            own = [(blob.digest, blob.size) for blob in offer.taken]
            fetch = _counted(own, self._fetched)
            return Forecast(image=image, action="substitute", fetch=fetch, make=0, push=self._push(derivation, blobs))
        fetch = _counted(self._needed(derivation), self._fetched)
        layers = list(self._layers(derivation))
        make = _counted([(key, size) for key, size, there in layers if not there], self._made)
        make += _counted(self._new_fragments(derivation), self._made)
        blobs = [(layer.digest, layer.size) for layer in self._base_layers(derivation)]
        blobs += [(key, size) for key, size, _ in layers]
        return Forecast(image=image, action="build", fetch=fetch, make=make, push=self._push(derivation, blobs))

    def _needed(self, derivation: Derivation) -> Iterator[tuple[Hashable, int]]:
        """Yield what the store lacks of what *derivation* is made of."""
        lock = self._lock.connectors[derivation.connector]
        sources = {wheel.file: package for package in lock.packages for wheel in package.built}
        for wheel in derivation.installed:
            if not self._store.has(wheel.digest, wheel.size) and None in self._fragments_of(wheel, derivation):
                yield from self._origin(wheel, sources.get(wheel.file))
        for item in derivation.inputs if derivation.hooks else ():
            if not self._store.has(item.digest, item.size):
                yield item.digest, item.size
        base = derivation.base_platform
        if not self._store.has(base.manifest, base.size):
            yield base.manifest, base.size
        for layer in self._base_layers(derivation) if derivation.hooks else ():
            if not self._store.has(layer.digest, layer.size):
                yield layer.digest, layer.size

    def _origin(self, wheel: Wheel, source: Package | None) -> Iterator[tuple[Hashable, int]]:
        if source is None or source.sdist is None:
            needed: Collection[Wheel] = [wheel]
        else:
            sdist = source.sdist
            needed = [Wheel(file=sdist.file, size=sdist.size, digest=sdist.digest), *sdist.requires]
        for one in needed:
            if not self._store.has(one.digest, one.size) and not self._around.local(one):
                yield one.digest, one.size

    def _layers(self, derivation: Derivation) -> Iterator[tuple[Hashable, int, bool]]:
        """Yield the layers above the base: each by its digest, or by what it will be made of, and if it is there."""
        for group in derivation.layered:
            known = self._known(group, derivation)
            if known is not None:
                yield known.digest, known.size, True
            else:
                # A layer of one wheel is that wheel's fragment, which is counted as such.
                wheels = tuple(wheel.digest for wheel in group)
                yield (derivation.platform, wheels), sum(wheel.size for wheel in group), len(group) == 1
        files = tuple((file.path, file.digest) for file in derivation.files)
        yield files, sum(file.size for file in derivation.files), False

    def _new_fragments(self, derivation: Derivation) -> Iterator[tuple[Hashable, int]]:
        for wheel in derivation.installed:
            for key in keys_of(wheel, derivation):
                if self._fragment(key) is None:
                    yield key, wheel.size

    def _known(self, group: Sequence[Wheel], derivation: Derivation) -> Descriptor | None:
        found = [fragment for wheel in group for fragment in self._fragments_of(wheel, derivation)]
        fragments = [fragment for fragment in found if fragment is not None and fragment.members]
        if None in found or not fragments:
            return None
        layer = known_layer(fragments, self._store, derivation.compression, once=derivation.names_once)
        return layer.descriptor if layer is not None else None

    def _fragments_of(self, wheel: Wheel, derivation: Derivation) -> list[Fragment | None]:
        return [self._fragment(key) for key in keys_of(wheel, derivation)]

    def _fragment(self, key: Digest) -> Fragment | None:
        if key not in self._fragments:
            self._fragments[key] = stored_fragment(self._store, key)
        return self._fragments[key]

    def _base_layers(self, derivation: Derivation) -> Sequence[Descriptor]:
        """Return the layers of the base; none as long as its manifest is not here."""
        try:
            return parse_manifest(self._store.read(derivation.base_platform.manifest)).layers
        except ContentError:
            return ()

    def _blobs(self, manifest: Digest) -> list[tuple[Hashable, int]]:
        parsed = parse_manifest(self._store.read(manifest))
        return [(blob.digest, blob.size) for blob in (parsed.config, *parsed.layers)]

    def _push(self, derivation: Derivation, blobs: Sequence[tuple[Hashable, int]]) -> int | None:
        host = self._around.hosts.get(derivation.connector)
        if host is None:
            return None
        unsent = [(key, size) for key, size in blobs if not isinstance(key, str) or not self._is_sent(host, key)]
        return _counted([((host, key), size) for key, size in unsent], self._pushed)

    def _is_sent(self, host: str, digest: str) -> bool:
        return self._around.sent(host, Digest(digest))


def _counted(items: Collection[tuple[Hashable, int]] | Iterator[tuple[Hashable, int]], seen: set[Hashable]) -> int:
    """Return the bytes of those of *items* that are not in *seen*, where they are from now on."""
    total = 0
    for key, size in items:
        if key not in seen:
            seen.add(key)
            total += size
    return total
