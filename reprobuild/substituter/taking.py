"""Outputs taken from substituters, before anything is fetched for a build.

An entry leads to a manifest; what a lock records, or a trusted key has signed, decides whether it is the one. From
there on every byte is named by its digest, so that a cache can slow a build and never change it.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from anyio import to_thread

from reprobuild.builder.base import check_config, stored_manifest
from reprobuild.builder.compress import Compression, end_member
from reprobuild.builder.plan import PlannedImage, remember
from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.gathering import gathered
from reprobuild.oci.checked import taken_in_thread
from reprobuild.oci.registry import Registry
from reprobuild.oci.source import read
from reprobuild.oci.types import MANIFEST, Descriptor, parse_config, parse_manifest
from reprobuild.progress import Progress, Task
from reprobuild.store import CHUNK, Store
from reprobuild.substituter.available import Available
from reprobuild.substituter.entry import Entry, checked_parts, made_layers, parse_entry, tag_of
from reprobuild.substituter.place import Place
from reprobuild.substituter.trust import recorded_manifest, require_signed

__all__ = ["available", "substitute"]

_QUESTIONS = 8
_DOWNLOADS = 6
_JOINS = 2
_QUESTION = 2 * 1024 * 1024
"""How many bytes more could have come while a blob is asked for, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    """What a substituter has for an image, believed: its manifest and config with their bytes, and its own layers.

    ``parts`` are not believed: what layers may be joined of, whose digests decide. ``below`` counts the base's layers.
    """

    manifest: Descriptor
    documents: tuple[bytes, bytes]
    layers: tuple[Descriptor, ...]
    parts: Mapping[Digest, tuple[Descriptor, ...]]
    below: int
    compression: Compression

    def lacking(self, store: Store) -> list[Descriptor]:
        """Return the layers that *store* lacks."""
        return [layer for layer in self.layers if not store.has(layer.digest, layer.size)]

    def taken(self, store: Store, *, joining: bool) -> list[Descriptor]:
        """Return the blobs to take for what *store* lacks: layers, or the parts of those that are to be joined."""
        parts = self.parts if joining else {}
        blobs = [blob for layer in self.lacking(store) for blob in parts.get(layer.digest, (layer,))]
        return [blob for blob in blobs if not store.has(blob.digest, blob.size)]


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


async def available(images: Sequence[PlannedImage], places: Sequence[Place], store: Store) -> dict[Digest, Available]:
    """Return what *places* have of those of *images* that `substitute` would take, by derivation.

    They are asked in the same way, and nothing is put into *store*.
    """
    found: dict[Digest, Available] = {}
    for place in places:
        wanting = [image for image in images if image.manifest is None and image.key not in found]
        questions = [partial(place.ask, partial(_output, image, place, store)) for image in wanting]
        outputs = await gathered(questions, limit=_QUESTIONS)
        joining = _joining([output for output in outputs if output is not None], store)
        found |= {
            image.key: Available(layers=output.layers, taken=tuple(output.taken(store, joining=joining)))
            for image, output in zip(wanting, outputs, strict=True)
            if output is not None
        }
    return found


async def _taken(
    images: Sequence[PlannedImage], place: Place, store: Store, progress: Progress
) -> Sequence[PlannedImage]:
    """Return *images*, those of them with a manifest that *place* has whole."""
    questions = [partial(place.ask, partial(_output, image, place, store)) for image in images]
    outputs = await gathered(questions, limit=_QUESTIONS)
    await _brought([output for output in outputs if output is not None], place, store, progress)
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
    compression = image.derivation.compression
    end = len(end_member(compression)[1])
    parts = {
        layer.digest: checked_parts(layer, entry.parts[layer.digest], end, where=where)
        for layer in layers
        if layer.digest in entry.parts
    }
    return _Output(
        manifest=descriptor,
        documents=(data, config),
        layers=layers,
        parts=parts,
        below=len(base.layers),
        compression=compression,
    )


async def _brought(outputs: Sequence[_Output], place: Place, store: Store, progress: Progress) -> None:
    """Have the layers of *outputs* in *store*, as far as *place* has them; each blob is fetched once."""
    lacking = {layer.digest: (layer, output) for output in outputs for layer in output.lacking(store)}
    joining = _joining(outputs, store)
    blobs = {blob.digest: blob for output in outputs for blob in output.taken(store, joining=joining)}
    if not blobs and not lacking:
        return
    task = progress.task(f"taking layers from {place.where}", sum(blob.size for blob in blobs.values()))
    ordered = sorted(blobs.values(), key=lambda blob: -blob.size)
    fetches = {blob.digest: partial(_fetch, blob, place, store, task) for blob in ordered}
    joined = [one for one in lacking.values() if joining and one[0].digest in one[1].parts]
    parts = {part.digest for layer, output in joined for part in output.parts[layer.digest]}
    # Parts come first: joining them then goes on beside the large layers.
    await gathered([fetch for digest, fetch in fetches.items() if digest in parts], limit=_DOWNLOADS)
    joins = [partial(_join, *one, store, progress, place.where) for one in joined]
    calls = [*joins, *(fetch for digest, fetch in fetches.items() if digest not in parts)]
    await gathered(calls, limit=_JOINS + _DOWNLOADS)
    task.finish()


def _joining(outputs: Sequence[_Output], store: Store) -> bool:
    """Say whether it is less work to take the parts of layers, which many share, than the layers themselves."""
    layers = {layer.digest: (layer, output) for output in outputs for layer in output.lacking(store)}
    parts = {part.digest: part for layer, output in layers.values() for part in output.parts.get(layer.digest, ())}
    joined = [layer for layer, output in layers.values() if layer.digest in output.parts]
    lacking = [part for part in parts.values() if not store.has(part.digest, part.size)]
    return _work(lacking) < _work(joined)


def _work(blobs: Sequence[Descriptor]) -> int:
    return sum(blob.size + _QUESTION for blob in blobs)


async def _fetch(layer: Descriptor, place: Place, store: Store, task: Task) -> None:
    await place.ask(partial(_copied, layer, place.repository.reader(layer.digest), store, task), size=layer.size)


async def _copied(layer: Descriptor, reader: Registry, store: Store, task: Task) -> None:
    """Put *layer* from *reader* into *store*, which hashes it: once, since most of the time goes there."""
    where = reader.where
    # Not flushed to the disk: it is quickly taken again, and everybody checks its digest.
    with store.writer(layer.digest, where=where, flushed=False) as writer:
        async with aclosing(reader.body(layer)) as body:
            async for size in taken_in_thread(body, writer.write):
                if writer.size > layer.size:
                    raise ContentError(f"{layer.digest} has more than {layer.size} bytes", where=where)
                task.advance(size)


async def _join(layer: Descriptor, output: _Output, store: Store, progress: Progress, where: str) -> None:
    """Join *layer* of what *output* says, if all of that is in *store*; another layer than that is a note."""
    parts = output.parts[layer.digest]
    if all(store.has(part.digest, part.size) for part in parts):
        join = partial(_joined, layer, parts, end_member(output.compression)[1], store, where)
        try:
            await to_thread.run_sync(join)
        except ContentError as error:
            progress.note(f"not taken from the substituter: {error}")


def _joined(layer: Descriptor, parts: Sequence[Descriptor], last: bytes, store: Store, where: str) -> None:
    """Put *layer*, *parts* without their closing members and then *last*, such a member, into *store*.

    As `builder.layer.join` does it. Only the whole is hashed; if it is another layer, damaged parts leave the store.
    """
    chunks = (chunk for part in parts for chunk in _without_end(part, len(last), store))
    try:
        store.add_chunks(chain(chunks, [last]), layer.digest, where=where)
    except ContentError:
        for part in parts:
            deque(store.chunks(part.digest), maxlen=0)
        raise


def _without_end(part: Descriptor, end: int, store: Store) -> Iterator[bytes]:
    rest = part.size - end
    with store.open(part.digest) as file:
        while rest > 0 and (chunk := file.read(min(rest, CHUNK))):
            rest -= len(chunk)
            yield chunk


def _kept(image: PlannedImage, output: _Output | None, store: Store) -> PlannedImage:
    """Put *output* into *store*, if all of it is there, and return *image* with it."""
    if output is None or not all(store.has(layer.digest, layer.size) for layer in output.layers):
        return image
    for document in output.documents:
        store.add(document)
    remember(image.key, output.manifest, output.below, store, substituted=True)
    return replace(image, manifest=output.manifest, substituted=True)
