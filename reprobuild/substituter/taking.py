"""Outputs taken from substituters, before anything is fetched for a build.

An entry leads to a manifest; what a lock records, or a trusted key has signed, decides whether it is the one. From
there on every byte is named by its digest, so that a cache can slow a build and never change it.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from anyio import to_thread

from reprobuild.builder.base import check_config, stored_manifest
from reprobuild.builder.plan import PlannedImage, remember
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.gathering import gathered
from reprobuild.oci.checked import taken_in_thread
from reprobuild.oci.registry import Registry
from reprobuild.oci.source import read
from reprobuild.oci.types import MANIFEST, Descriptor, parse_config, parse_manifest
from reprobuild.progress import Progress, Task
from reprobuild.store import Store
from reprobuild.substituter.entry import Entry, made_layers, parse_entry, tag_of
from reprobuild.substituter.place import Place
from reprobuild.substituter.trust import recorded_manifest, require_signed

__all__ = ["available", "substitute"]

_QUESTIONS = 8
_DOWNLOADS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    """What a substituter has for an image, believed: its manifest and config with their bytes, and its own layers."""

    manifest: Descriptor
    documents: tuple[bytes, bytes]
    layers: tuple[Descriptor, ...]
    below: int


async def substitute(
    images: Sequence[PlannedImage], places: Sequence[Place], store: Store, progress: Progress
) -> tuple[PlannedImage, ...]:
    """Return *images* with the manifests of those whose outputs could be taken from *places*, asked in their order.

    Manifests and configs of their base images are in *store*, and outputs are put there. What fails is a note.
    """
    taken = list(images)
    for place in places:
        wanting = [number for number, image in enumerate(taken) if image.manifest is None]
        if wanting:
            found = await _taken([taken[number] for number in wanting], place, store, progress)
            for number, image in zip(wanting, found, strict=True):
                taken[number] = image
    return tuple(taken)


async def available(
    images: Sequence[PlannedImage], places: Sequence[Place], store: Store
) -> dict[Digest, tuple[Descriptor, ...]]:
    """Return the layers that *places* have of those of *images* that `substitute` would take, by derivation.

    They are asked in the same way, and nothing is put into *store*.
    """
    found: dict[Digest, tuple[Descriptor, ...]] = {}
    for place in places:
        wanting = [image for image in images if image.manifest is None and image.key not in found]
        questions = [partial(place.ask, partial(_output, image, place, store)) for image in wanting]
        outputs = await gathered(questions, limit=_QUESTIONS)
        found |= {
            image.key: output.layers for image, output in zip(wanting, outputs, strict=True) if output is not None
        }
    return found


async def _taken(
    images: Sequence[PlannedImage], place: Place, store: Store, progress: Progress
) -> Sequence[PlannedImage]:
    """Return *images*, those of them with a manifest that *place* has whole."""
    questions = [partial(place.ask, partial(_output, image, place, store)) for image in images]
    outputs = await gathered(questions, limit=_QUESTIONS)
    layers = {layer.digest: layer for output in outputs if output is not None for layer in output.layers}
    await _fetched(list(layers.values()), place, store, progress)
    return [
        await to_thread.run_sync(_kept, image, output, store) for image, output in zip(images, outputs, strict=True)
    ]


async def _output(image: PlannedImage, place: Place, store: Store) -> _Output | None:
    """Return what *place* has for *image*, None if it has nothing or nobody vouches for it."""
    where = f"{place.where}:{tag_of(image.key)}"
    reader = place.repository.reader(tag_of(image.key))
    recorded = recorded_manifest(image)
    if recorded is None and not place.keys:
        return None
    entry = await _entry(reader, image.key, where)
    if entry is None:
        return None
    if recorded is None:
        envelopes = [await read(reader, envelope) for envelope in entry.envelopes]
        require_signed(image.key, entry.manifest.digest, envelopes, place.keys, where=where)
    elif recorded != entry.manifest.digest:
        raise ContentError(f"{entry.manifest.digest} is offered, the lock records {recorded}", where=where)
    return await _believed(image, entry, reader, store, where)


async def _entry(reader: Registry, derivation: Digest, where: str) -> Entry | None:
    try:
        root = await reader.resolve()
    except SpecificationError:
        return None
    return parse_entry(await read(reader, root), derivation, where=where)


async def _believed(image: PlannedImage, entry: Entry, reader: Registry, store: Store, where: str) -> _Output:
    """Return the output whose manifest is that of *entry*; raise ContentError if it is no image on its base."""
    data = await read(reader, entry.manifest)
    manifest = parse_manifest(data, where=where)
    base, _ = stored_manifest(image.derivation.base, image.derivation.platform, store)
    layers = made_layers(manifest, base, where=where)
    config = await read(reader, manifest.config)
    check_config(manifest, parse_config(config, where=where), image.derivation.platform, where=where)
    descriptor = Descriptor(media_type=MANIFEST, digest=entry.manifest.digest, size=len(data))
    return _Output(manifest=descriptor, documents=(data, config), layers=layers, below=len(base.layers))


async def _fetched(layers: Sequence[Descriptor], place: Place, store: Store, progress: Progress) -> None:
    """Have *layers* in *store*, as far as *place* has them; each once, the largest first."""
    missing = sorted((layer for layer in layers if not store.has(layer.digest, layer.size)), key=lambda one: -one.size)
    if not missing:
        return
    task = progress.task(f"taking layers from {place.where}", sum(layer.size for layer in missing))
    calls = [partial(_fetch, layer, place, store, task) for layer in missing]
    await gathered(calls, limit=_DOWNLOADS)
    task.finish()


async def _fetch(layer: Descriptor, place: Place, store: Store, task: Task) -> None:
    await place.ask(partial(_copied, layer, place.repository.reader(layer.digest), store, task), size=layer.size)


async def _copied(layer: Descriptor, reader: Registry, store: Store, task: Task) -> None:
    """Put *layer* from *reader* into *store*, which hashes it: once, since most of the time goes there."""
    where = reader.where
    with store.writer(layer.digest, where=where) as writer:
        async with aclosing(reader.body(layer)) as body:
            async for size in taken_in_thread(body, writer.write):
                if writer.size > layer.size:
                    raise ContentError(f"{layer.digest} has more than {layer.size} bytes", where=where)
                task.advance(size)


def _kept(image: PlannedImage, output: _Output | None, store: Store) -> PlannedImage:
    """Put *output* into *store*, if all of it is there, and return *image* with it."""
    if output is None or not all(store.has(layer.digest, layer.size) for layer in output.layers):
        return image
    for document in output.documents:
        store.add(document)
    remember(image.key, output.manifest, output.below, store, substituted=True)
    return replace(image, manifest=output.manifest, substituted=True)
