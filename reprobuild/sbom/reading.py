"""An image anywhere → what an inventory takes of it. Each layer is read once in a store's life, in streaming.

A store keeps a layer's index, the contents of the small files that are wanted, and what programs say of
themselves: an image that was read before is not read again, and one that shares layers with it hardly.
Images may be read at the same time: what they share is read by one of them, and the others wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from anyio import to_process, to_thread

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError
from reprobuild.gathering import gathered
from reprobuild.image.index import RootLayer, is_indexed, tree_of
from reprobuild.image.layer_files import Blobs
from reprobuild.image.tree import ImageTree, Node
from reprobuild.oci.open import copy_blob
from reprobuild.oci.source import read
from reprobuild.oci.types import Descriptor, ImageConfig, Manifest, parse_config, parse_manifest
from reprobuild.progress import Progress, Task
from reprobuild.resolver.interpreter import is_program
from reprobuild.sbom.inventory import ReadImage
from reprobuild.sbom.layer_reading import LARGEST, SMALL, WantedLayer, read_alone, read_layer
from reprobuild.sbom.program import known_program
from reprobuild.sbom.shared_layers import SharedLayers
from reprobuild.store import Store
from reprobuild.verify.reading import Origin
from reprobuild.verify.streamed import Streamed, Ticking

__all__ = ["has_layers", "read_image"]

_DOWNLOADS = 4
_READERS = 2
"""Layers of one image that are read at a time."""
_LARGE = 1024**2
"""Compressed bytes of a layer from which on a process of its own pays."""
_MOST = 512 * 1024**2
"""Bytes of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """The image under way: its layers, lowest first, where their bytes come from, and how they are remembered."""

    origin: Origin
    layers: Sequence[RootLayer]
    blobs: Blobs
    store: Store
    shared: SharedLayers
    listing: str

    def layer_at(self, place: int) -> "WantedLayer":
        layer = self.layers[place]
        where = f"{self.origin.reference}, layer {place + 1} ({layer.descriptor.digest})"
        return WantedLayer(layer=layer, wanted=replace(self.shared.wanted, listing=self.listing), where=where)

    def knows(self, place: int) -> bool:
        """Say whether the store knows what is in the layer at *place*."""
        return is_indexed(self.layers[place].diff_id, self.store, listing=self.listing)

    def is_for_process(self, place: int) -> bool:
        """Say whether it pays to read the layer at *place* in a process of its own, and whether one can."""
        blob = self.layers[place].descriptor
        return self.shared.processes and blob.size >= _LARGE and self.store.has(blob.digest, blob.size)


def has_layers(manifest: Descriptor, store: Store) -> bool:
    """Say whether *store* has every layer of *manifest*, which is in it with its config, or knows what is in it."""
    parsed = parse_manifest(store.read(manifest.digest))
    config = parse_config(store.read(parsed.config.digest))
    return all(
        store.has(layer.digest, layer.size) or is_indexed(diff_id, store)
        for layer, diff_id in zip(parsed.layers, config.diff_ids, strict=False)
    )


async def read_image(
    origin: Origin, descriptor: Descriptor, store: Store, progress: Progress, *, shared: SharedLayers | None = None
) -> ReadImage:
    """Return the image whose manifest *descriptor* names, read from *origin* as far as *store* does not know it.

    *shared* is what several images that are read into *store* have in common. Raises ContentError for bytes that are
    not what digests, diffIDs or formats promise, and what sources raise.
    """
    where = origin.reference
    manifest = parse_manifest(await read(origin.source, descriptor), where=where)
    config = parse_config(await read(origin.source, manifest.config), where=where)
    layers = _layers(manifest, config, where)
    shared = shared or SharedLayers(store)
    blobs = Streamed(origin.source, {layer.digest: layer for layer in manifest.layers}, store)
    listing = shared.wanted.listing
    image = _Image(origin=origin, layers=layers, blobs=blobs, store=store, shared=shared, listing=listing)
    await _index(image, progress)
    tree = await shared.tree(layers, where=where)
    wanted, too_large = await to_thread.run_sync(_wanted, tree, shared, where)
    if any(node.digest is None for node in wanted.values()):
        # A hard link to what has a name that nobody asks for, or a listing of a release that asked for less.
        await _index(replace(image, listing=""), progress)
        tree = await to_thread.run_sync(lambda: tree_of(layers, store, where=where))
        wanted, too_large = await to_thread.run_sync(_wanted, tree, shared, where)
    await _complete(image, wanted, progress)
    lost = await to_thread.run_sync(_fill, tree, wanted, image)
    unread = [f"{path}: too large to be read" for path in too_large]
    unread += [f"{path}: a hard link to what a layer below has, not read" for path in lost]
    return ReadImage(descriptor=descriptor, manifest=manifest, config=config, tree=tree, unread=tuple(unread))


def _layers(manifest: Manifest, config: ImageConfig, where: str) -> list[RootLayer]:
    if len(config.diff_ids) != len(manifest.layers):
        counts = f"the manifest has {len(manifest.layers)} layers, the config {len(config.diff_ids)}"
        hint = "they do not belong together; use another image, or ask whoever publishes it"
        raise ContentError(counts, where=where, hint=hint)
    pairs = zip(manifest.layers, config.diff_ids, strict=True)
    return [RootLayer(descriptor=layer, diff_id=diff_id) for layer, diff_id in pairs]


async def _index(image: _Image, progress: Progress) -> None:
    """Have an index of every layer of *image* in the store."""
    places = _unknown(image)
    if not places:
        return
    if image.origin.kept:
        await gathered([partial(_fetch, image, place) for place in places], limit=_DOWNLOADS)
    task = progress.task(f"reading {image.origin.reference}", _size(image, places))
    await gathered([partial(_index_layer, image, place, task) for place in places], limit=_READERS)
    task.finish()


async def _index_layer(image: _Image, place: int, task: Task) -> None:
    layer = image.layer_at(place)
    async with image.shared.alone(layer.layer.diff_id):
        if image.knows(place):
            task.advance(_size(image, [place]))
        elif image.is_for_process(place):
            await to_process.run_sync(read_alone, layer, str(image.store.root), cancellable=True)
            task.advance(_size(image, [place]))
        else:
            await to_thread.run_sync(read_layer, layer, image.blobs, image.store, None, Ticking(task))


async def _fetch(image: _Image, place: int) -> None:
    """Have the layer at *place* in the store, unless somebody has read it meanwhile."""
    layer = image.layers[place]
    async with image.shared.alone(layer.diff_id):
        if not image.knows(place):
            await copy_blob(image.origin.source, layer.descriptor, image.store, flushed=False)


async def _complete(image: _Image, wanted: Mapping[str, Node], progress: Progress) -> None:
    """Have in the store what is taken of the files *wanted*: of layers whose index somebody else has made."""
    places = sorted({wanted[path].layer for path in _missing(wanted, image.store)})
    if not places:
        return
    task = progress.task(f"reading {image.origin.reference}", _size(image, places))
    for place in places:
        async with image.shared.alone(image.layers[place].diff_id):
            mine = {path: node for path, node in wanted.items() if node.layer == place}
            files = {digest: is_program(path) for path, digest in _missing(mine, image.store).items()}
            if files:
                layer = image.layer_at(place)
                await to_thread.run_sync(read_layer, layer, image.blobs, image.store, files, Ticking(task))
            else:
                task.advance(_size(image, [place]))
    task.finish()


def _unknown(image: _Image) -> list[int]:
    return [place for place in range(len(image.layers)) if not image.knows(place)]


def _size(image: _Image, places: Sequence[int]) -> int:
    return sum(image.layers[place].descriptor.size for place in places)


def _wanted(tree: ImageTree, shared: SharedLayers, where: str) -> tuple[dict[str, Node], list[str]]:
    """Return the files of *tree* that something is taken of, by path, and those that are too large."""
    found, large, room = {}, [], _MOST
    for path, node in tree.walk():
        if node.kind != "file" or not (is_program(path) or shared.wanted.is_kept(path)):
            continue
        if not is_program(path):
            if node.size > LARGEST:
                large.append(path)
                continue
            room -= node.size
        found[path] = node
    if room < 0:
        raise ContentError(f"more than {_MOST} bytes of metadata", where=where)
    return found, large


def _missing(wanted: Mapping[str, Node], store: Store) -> dict[str, Digest]:
    """Return the digests of what *store* lacks of *wanted*, by path."""
    return {
        path: node.digest
        for path, node in wanted.items()
        if node.digest is not None and not _is_there(path, node, node.digest, store)
    }


def _is_there(path: str, node: Node, digest: Digest, store: Store) -> bool:
    return known_program(digest, store) is not None if is_program(path) else store.has(digest, node.size)


def _fill(tree: ImageTree, wanted: Mapping[str, Node], image: _Image) -> list[str]:
    """Put what the store has of *wanted* into *tree*, and return the paths of what it has not."""
    lost, store = [], image.store
    for path, node in wanted.items():
        if node.digest is None or not _is_there(path, node, node.digest, store):
            lost.append(path)
        elif is_program(path):
            program = known_program(node.digest, store)
            tree.place(path, node._replace(elf=program.elf if program is not None else None))
        elif image.shared.wanted.is_loaded(path):
            content = image.shared.small_content if node.size <= SMALL else store.read
            tree.place(path, node._replace(content=content(node.digest)))
    return lost
