"""Derivations → images in the store: the one place where the builder's pure steps meet threads and files.

Wheels are the unit of work: each that any of the images needs becomes a fragment once, the largest first, on
as many threads as there are processors. Then every image is assembled from what is there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.from_thread
import anyio.to_thread

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.connector import ConnectorFile
from reprobuild.builder.fragment import Fragment, fragment_key, make_fragment, parse_fragment
from reprobuild.builder.image import assemble_image
from reprobuild.builder.layer import Layer, join
from reprobuild.builder.layering import layering
from reprobuild.builder.outcome import BuiltImage, built_image
from reprobuild.builder.plan import PlannedImage
from reprobuild.builder.setup import folders, setup_entries
from reprobuild.builder.site import Site, base_links, site_of
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry, in_order, regular_file, resolve, symlink
from reprobuild.builder.wheel_fragment import wheel_fragment
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.gathering import gathered
from reprobuild.lockfile import Wheel
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Progress, Silent, Task
from reprobuild.store import CHUNK, Store, machine_errors

__all__ = ["realise"]


async def realise(
    images: Sequence[PlannedImage], store: Store, progress: Progress, *, workers: int
) -> tuple[BuiltImage, ...]:
    """Build what is missing of *images* and return them all, in order.

    Wheels, base manifests and configs must be in the store. *workers*: threads at most.
    """
    work = _Work(store=store, limiter=anyio.CapacityLimiter(workers))
    await work.make_layers([image.derivation for image in images if image.manifest is None], progress)

    async def one(image: PlannedImage) -> BuiltImage:
        manifest = image.manifest
        if manifest is None:
            manifest = await anyio.to_thread.run_sync(_assemble, image, store, limiter=work.limiter)
        return built_image(image, manifest, store, cached=image.manifest is not None)

    return tuple(await gathered([partial(one, image) for image in images], limit=workers))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Threads that make fragments and layers in a store."""

    store: Store
    limiter: anyio.CapacityLimiter

    async def make_layers(self, derivations: Sequence[Derivation], progress: Progress) -> None:
        """Make the wheel layers of *derivations*, each fragment and each layer once.

        Wheels that share a layer come first: joining them then goes on beside the large wheels, which come in the
        order of their size so that no thread ends alone.
        """
        wanted = _missing(derivations, self.store)
        shared = {group: derivation for derivation in derivations for group in _shared(derivation)}
        early = {wheel.digest for group in shared for wheel in group}
        jobs = sorted(wanted.items(), key=lambda job: (-job[1][0].size, job[1][0].file))
        task = progress.task("wheel layers", len(jobs), unit="wheels") if jobs else Silent()
        fragments = [(job[1][0], partial(_make_fragment, *job, self.store, task)) for job in jobs]
        await self._run([work for wheel, work in fragments if wheel.digest in early])
        joins = [partial(_join_group, group, derivation, self.store) for group, derivation in shared.items()]
        await self._run([*joins, *(work for wheel, work in fragments if wheel.digest not in early)])
        task.finish()

    async def _run(self, works: Sequence[Callable[[], object]]) -> None:
        calls = [partial(anyio.to_thread.run_sync, work, limiter=self.limiter) for work in works]
        await gathered(calls, limit=max(1, len(calls)))


def _missing(derivations: Sequence[Derivation], store: Store) -> dict[Digest, tuple[Wheel, Site, Derivation]]:
    """Return the wheels whose fragments are not in the store, by key."""
    wanted: dict[Digest, tuple[Wheel, Site, Derivation]] = {}
    for derivation in derivations:
        site = site_of(derivation.base, derivation.platform)
        for wheel in derivation.installed:
            key = _key(wheel, derivation)
            if key not in wanted and _fragment(store, key) is None:
                wanted[key] = (wheel, site, derivation)
    return wanted


def _shared(derivation: Derivation) -> list[tuple[Wheel, ...]]:
    return [group for group in layering(derivation.installed) if len(group) > 1]


def _key(wheel: Wheel, derivation: Derivation) -> Digest:
    site = site_of(derivation.base, derivation.platform)
    return fragment_key(wheel, site, epoch=derivation.epoch, compression=derivation.compression)


def _make_fragment(key: Digest, what: tuple[Wheel, Site, Derivation], store: Store, task: Task) -> None:
    wheel, site, derivation = what

    def tick(_: int) -> None:
        anyio.from_thread.check_cancelled()

    tick(0)
    fragment = wheel_fragment(wheel, site, store, epoch=derivation.epoch, compression=derivation.compression, tick=tick)
    store.write_record("fragment", key, fragment.to_json())
    task.advance(1)


def _fragment(store: Store, key: Digest) -> Fragment | None:
    """Return the fragment under *key* if record and blob are there."""
    record = store.record("fragment", key)
    if record is None:
        return None
    try:
        fragment = parse_fragment(record)
    except ContentError:
        return None
    return fragment if store.has(fragment.blob, fragment.size) else None


def _assemble(image: PlannedImage, store: Store) -> Descriptor:
    """Put the image together from fragments that are in the store, and remember it by its derivation."""
    derivation = image.derivation
    base, base_config = stored_manifest(derivation.base, derivation.platform, store)
    layers = [(_entries_layer(setup_entries(derivation), derivation, store), "base setup")]
    layers += _wheel_layers(derivation, store)
    layers.append((_connector_layer(derivation, store), f"connector {derivation.connector}"))
    config, manifest = assemble_image(derivation, base, base_config, layers)
    store.add(config.data)
    store.add(manifest.data)
    store.write_record("output", image.key, {"manifest": manifest.descriptor.digest, "base": len(base.layers)})
    return manifest.descriptor


def _wheel_layers(derivation: Derivation, store: Store) -> list[tuple[Layer, str]]:
    layers = []
    for group in layering(derivation.installed):
        word = "wheel " + group[0].file if len(group) == 1 else f"{len(group)} wheels"
        layers.append((_join_group(group, derivation, store), word))
    return layers


def _join_group(group: Sequence[Wheel], derivation: Derivation, store: Store) -> Layer:
    """Return the layer of the wheels *group*, whose fragments are in the store."""
    fragments = []
    for wheel in group:
        fragment = _fragment(store, _key(wheel, derivation))
        if fragment is None:
            raise ContentError(f"the fragment of {wheel.file} has left the store", hint="run the command again")
        fragments.append(fragment)
    return join(fragments, store, derivation.compression)


def _connector_layer(derivation: Derivation, store: Store) -> Layer:
    """Return the layer of the connector's own files, which always holds its workdir."""
    links = base_links(derivation.base, derivation.platform)
    workdir = resolve(derivation.workdir.strip("/"), links)
    files = {resolve(file.path, links): file for file in derivation.files}
    entries = {path: _entry(path, file) for path, file in files.items()}
    made = folders([*files, f"{workdir}/x"] if workdir else files, derivation.base_platform.directories)
    entries |= {entry.path: entry for entry in made}
    ordered = in_order(entries.values())
    tar = archive(((entry, _content(files.get(entry.path))) for entry in ordered), epoch=derivation.epoch)
    return join([make_fragment(tar, store, derivation.compression)], store, derivation.compression)


def _entry(path: str, file: ConnectorFile) -> Entry:
    if file.target:
        return symlink(path, file.target)
    return regular_file(path, file.size, executable=file.executable)


def _content(file: ConnectorFile | None) -> Iterator[bytes]:
    """Yield a connector file's bytes; it may not have changed since the derivation named its digest."""
    if file is None or file.target:
        return
    import hashlib  # noqa: PLC0415

    found = hashlib.sha256()
    with machine_errors(file.source), file.source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
            yield chunk
    if "sha256:" + found.hexdigest() != file.digest:
        raise ContentError("changed while it was read", where=str(file.source), hint="run the command again")


def _entries_layer(entries: list[tuple[Entry, bytes]], derivation: Derivation, store: Store) -> Layer:
    tar = archive(((entry, [content] if content else []) for entry, content in entries), epoch=derivation.epoch)
    return join([make_fragment(tar, store, derivation.compression)], store, derivation.compression)
