"""Two sources → their comparison. Reads what differs and no more, both sides at once, layer by layer in streaming."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from anyio import to_thread

from reprobuild.canonical import Digest, parse_json
from reprobuild.errors import ContentError
from reprobuild.gathering import gathered
from reprobuild.image.index import IndexedFile, RootLayer, known_index
from reprobuild.oci.open import copy_blob
from reprobuild.oci.source import Source, read
from reprobuild.oci.types import Descriptor, parse_config, parse_manifest
from reprobuild.progress import Progress, Silent, Task
from reprobuild.store import Store
from reprobuild.verify.alignment import Alignment, align
from reprobuild.verify.compare import differences, sums
from reprobuild.verify.difference import Difference
from reprobuild.verify.files import wanted
from reprobuild.verify.image_view import ImageView
from reprobuild.verify.layer_reading import check_plain, plain_bytes, read_entries, spool_contents
from reprobuild.verify.spool import Spool
from reprobuild.verify.streamed import Streamed, Ticking
from reprobuild.verify.tar_header import header_difference
from reprobuild.verify.text import text_diff

__all__ = ["Origin", "Texts", "compare_images"]

_DOWNLOADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an image is read: its reference in words, its source, and whether its layers are kept in the store.

    What comes from far is kept; what lies on disk is read there.
    """

    reference: str
    source: Source
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """How many text files are shown line by line, and how many lines of each."""

    files: int = 3
    lines: int = 6


@dataclass(slots=True, kw_only=True)
class _Half:
    """One of two images on its way to a view; ``entries`` by diffID, as they become known.

    ``remembered``: some were known before, so that the contents of their files have not been read.
    """

    origin: Origin
    view: ImageView
    layers: Streamed
    task: Task = field(default_factory=Silent)
    entries: dict[Digest, Sequence[IndexedFile]] = field(default_factory=dict)
    remembered: bool = False

    def layer(self, place: int) -> RootLayer:
        return RootLayer(descriptor=self.view.manifest.layers[place], diff_id=self.view.config.diff_ids[place])

    def where(self, place: int) -> str:
        return f"{self.origin.reference}, layer {place + 1} ({self.view.manifest.layers[place].digest})"

    @property
    def whole(self) -> ImageView:
        return replace(self.view, layers=self.entries)


async def compare_images(
    a: tuple[Origin, Descriptor], b: tuple[Origin, Descriptor], store: Store, progress: Progress, *, texts: Texts
) -> tuple[Difference, ...]:
    """Return how the images whose manifests *a* and *b* name differ, the most telling first.

    Raises ContentError for bytes that are not what digests, diffIDs or formats promise, and what sources raise.
    """
    if a[1].digest == b[1].digest:
        return ()
    mine, theirs = await gathered([partial(_half, *one, store) for one in (a, b)], limit=2)
    alignment = align(mine.view.config.diff_ids, theirs.view.config.diff_ids)
    work = (
        (mine, alignment.a, _recompressed(mine, theirs, alignment, 0)),
        (theirs, alignment.b, _recompressed(mine, theirs, alignment, 1)),
    )
    with Spool(store.root / "tmp") as spool:
        await gathered([partial(_read, *one, store, spool, progress) for one in work], limit=2)
        await _add_contents(mine, theirs, alignment, spool)
        found = await to_thread.run_sync(differences, mine.whole, theirs.whole, spool)
        found = await to_thread.run_sync(_with_headers, found, mine, theirs)
        return await to_thread.run_sync(_with_texts, found, spool, texts)


async def _half(origin: Origin, descriptor: Descriptor, store: Store) -> _Half:
    where = origin.reference
    manifest_data = await read(origin.source, descriptor)
    manifest = parse_manifest(manifest_data, where=where)
    config_data = await read(origin.source, manifest.config)
    config = parse_config(config_data, where=where)
    if len(config.diff_ids) != len(manifest.layers):
        raise ContentError(
            f"the manifest has {len(manifest.layers)} layers, the config {len(config.diff_ids)}",
            where=where,
            hint="they do not belong together; use another image, or ask whoever publishes it",
        )
    view = ImageView(
        descriptor=descriptor,
        manifest=manifest,
        config=config,
        manifest_json=parse_json(manifest_data, where=where),
        config_json=parse_json(config_data, where=where),
    )
    layers = Streamed(origin.source, {layer.digest: layer for layer in manifest.layers}, store)
    return _Half(origin=origin, view=view, layers=layers)


def _recompressed(a: _Half, b: _Half, alignment: Alignment, side: int) -> list[int]:
    """Return the places of layers that claim to be equal and are not the same blob: that has to be proved."""
    pairs = (*alignment.equal, *alignment.moved)
    return [
        pair[side] for pair in pairs if a.view.manifest.layers[pair[0]].digest != b.view.manifest.layers[pair[1]].digest
    ]


async def _read(
    half: _Half, places: Sequence[int], claimed: Sequence[int], store: Store, spool: Spool, progress: Progress
) -> None:
    """Have the entries of the layers at *places*, and prove what those at *claimed* say of themselves."""
    half.entries |= await to_thread.run_sync(_known, half, places, store)
    half.remembered = bool(half.entries)
    unknown = {half.layer(place).diff_id: place for place in places if half.layer(place).diff_id not in half.entries}
    reading = [*unknown.values(), *claimed]
    if not reading:
        return
    if half.origin.kept:
        blobs = {half.layer(place).descriptor.digest: half.layer(place).descriptor for place in reading}
        await gathered(
            [partial(copy_blob, half.origin.source, blob, store) for blob in blobs.values()], limit=_DOWNLOADS
        )
    total = sum(half.layer(place).descriptor.size for place in reading)
    half.task = progress.task(f"reading {half.origin.reference} ({half.view.config.platform})", total)
    await to_thread.run_sync(_read_all, half, list(unknown.values()), claimed, store, spool)
    half.task.finish()
    half.task = Silent()


def _known(half: _Half, places: Sequence[int], store: Store) -> dict[Digest, Sequence[IndexedFile]]:
    found = ((half.layer(place).diff_id, known_index(half.layer(place).diff_id, store)) for place in places)
    return {diff_id: entries for diff_id, entries in found if entries is not None}


def _read_all(half: _Half, unknown: Sequence[int], claimed: Sequence[int], store: Store, spool: Spool) -> None:
    task = Ticking(half.task)
    for place in unknown:
        layer = half.layer(place)
        half.entries[layer.diff_id] = read_entries(layer, half.layers, store, spool, where=half.where(place), task=task)
    for place in claimed:
        check_plain(half.layer(place), half.layers, where=half.where(place), task=task)


async def _add_contents(a: _Half, b: _Half, alignment: Alignment, spool: Spool) -> None:
    """Put on *spool* what is asked for and not there, since a layer's index was known."""
    if not (a.remembered or b.remembered):
        return
    missing = {digest for digest in wanted(*sums(a.whole, b.whole, alignment)) if digest not in spool}
    calls: list[Callable[[], None]] = []
    for half in (a, b) if missing else ():
        for place, diff_id in enumerate(half.view.config.diff_ids):
            files = half.entries.get(diff_id, ())
            paths = frozenset(file.entry.path for file in files if file.digest in missing)
            if paths:
                calls.append(
                    partial(
                        spool_contents,
                        half.layer(place),
                        half.layers,
                        spool,
                        paths,
                        where=half.where(place),
                        task=Ticking(half.task),
                    )
                )
    await gathered([partial(to_thread.run_sync, call) for call in calls], limit=2)


def _with_headers(found: Sequence[Difference], a: _Half, b: _Half) -> tuple[Difference, ...]:
    return tuple(_with_header(one, a, b) if one.cause == "pax header" else one for one in found)


def _with_header(one: Difference, a: _Half, b: _Half) -> Difference:
    pieces = [
        plain_bytes(half.layer(number - 1), half.layers, where=half.where(number - 1), task=Ticking(half.task))
        for half, number in zip((a, b), one.layers, strict=True)
        if number is not None
    ]
    return replace(one, detail=header_difference(*pieces))


def _with_texts(found: Sequence[Difference], spool: Spool, texts: Texts) -> tuple[Difference, ...]:
    """Return *found* with the lines that differ, for the first files that are text."""
    room, shown = texts.files, []
    for one in found:
        old, new = one.digests
        lines: tuple[str, ...] = ()
        if room > 0 and one.kind == "file" and old and new:
            mine, theirs = spool(old), spool(new)
            if mine is not None and theirs is not None:
                lines = text_diff(mine, theirs, limit=texts.lines)
        room -= bool(lines)
        shown.append(replace(one, text=lines) if lines else one)
    return tuple(shown)
