"""From a source into a sink: an image with everything below it, in the order that leaves no tag without its blobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.gathering import gathered
from reprobuild.oci.sink import Placed, Sink
from reprobuild.oci.source import Source, read
from reprobuild.oci.types import INDEX_TYPES, MANIFEST_TYPES, Descriptor, parse_index, parse_manifest
from reprobuild.progress import Progress

__all__ = ["Inventory", "Transferred", "inventory", "transfer"]

_PARALLEL = 6
_DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What an image is made of: its blobs, then manifests and indexes, each after all that it names."""

    blobs: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    indexes: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        """The bytes of all blobs."""
        return sum(blob.size for blob in self.blobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """How blobs got where they are, in bytes: some were there, some mounted, some uploaded."""

    there: int = 0
    mounted: int = 0
    uploaded: int = 0

    def __add__(self, other: "Transferred") -> "Transferred":
        return Transferred(
            there=self.there + other.there,
            mounted=self.mounted + other.mounted,
            uploaded=self.uploaded + other.uploaded,
        )


async def inventory(root: Descriptor, source: Source) -> Inventory:
    """Return what *root*, a manifest or an index, is made of; reads its documents and no blob."""
    blobs: dict[Digest, Descriptor] = {}
    manifests: dict[Digest, Descriptor] = {}
    indexes: dict[Digest, Descriptor] = {}

    async def look(descriptor: Descriptor, depth: int) -> None:
        if depth > _DEEPEST:
            raise ContentError("indexes within indexes without end", where=descriptor.digest)
        if descriptor.media_type in INDEX_TYPES:
            for child in parse_index(await read(source, descriptor), where=descriptor.digest).manifests:
                await look(child, depth + 1)
            indexes.setdefault(descriptor.digest, descriptor)
        elif descriptor.media_type in MANIFEST_TYPES:
            manifest = parse_manifest(await read(source, descriptor), where=descriptor.digest)
            blobs.update((blob.digest, blob) for blob in (manifest.config, *manifest.layers))
            manifests.setdefault(descriptor.digest, descriptor)
        else:
            kind = descriptor.media_type[:100]
            raise ContentError(f"an index lists a {kind!r}, which is no manifest", where=descriptor.digest)

    await look(root, 0)
    return Inventory(blobs=tuple(blobs.values()), manifests=tuple(manifests.values()), indexes=tuple(indexes.values()))


async def transfer(content: Inventory, source: Source, sink: Sink, *, progress: Progress, label: str) -> Transferred:
    """Put *content* from *source* into *sink*, several blobs at a time, and say how that went. Sets no tag."""
    task = progress.task(label, content.size)

    async def put(blob: Descriptor) -> tuple[Placed, int]:
        placed = await sink.put(blob, source, task=task)
        if placed != "uploaded":
            task.advance(blob.size)
        return placed, blob.size

    # The largest first: nothing is left waiting for one that began last.
    ordered = sorted(content.blobs, key=lambda blob: -blob.size)
    placed = await gathered([partial(put, blob) for blob in ordered], limit=_PARALLEL)
    await gathered([partial(sink.put, one, source) for one in content.manifests], limit=_PARALLEL)
    for index in content.indexes:
        await sink.put(index, source)
    task.finish()
    return _summed(placed)


def _summed(placed: Iterable[tuple[Placed, int]]) -> Transferred:
    sums: dict[Placed, int] = {"there": 0, "mounted": 0, "uploaded": 0}
    for how, size in placed:
        sums[how] += size
    return Transferred(there=sums["there"], mounted=sums["mounted"], uploaded=sums["uploaded"])
