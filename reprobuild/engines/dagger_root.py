"""Root filesystems on a Dagger engine: pulled by the engine where it can, else handed over, each layer once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import dagger
from anyio import to_thread

from reprobuild.builder.tar import END, archive
from reprobuild.builder.tree import directory, in_order, regular_file
from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.engines.dagger_session import failed_query
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import CONFIG, INDEX, MANIFEST, Descriptor, Platform
from reprobuild.progress import Progress, Silent
from reprobuild.store import Store

__all__ = ["Origins", "Roots"]

Origins = Callable[[], Mapping[tuple[Digest, ...], str]]
"""Returns where images are that an engine can pull, ``HOST/REPOSITORY@DIGEST``, by the diffIDs of their layers."""

_LARGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Roots:
    """The root filesystems of one connection."""

    client: dagger.Client
    store: Store
    origins: Origins
    progress: Progress
    told: Callable[[str], None]
    _known: dict[tuple[str, ...], dagger.Container] = field(default_factory=dict)
    _there: set[Digest] = field(default_factory=set)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def root(
        self,
        layers: Sequence[RootLayer],
        platform: Platform,
        scratch: Path,
        *,
        where: str,
        sent: Callable[[int], None],
    ) -> dagger.Container:
        """Return a container whose root filesystem *layers* are.

        *scratch* is a folder for what is handed over, and *sent* is told how many bytes that are.
        """
        key = (str(platform), *(layer.diff_id for layer in layers))
        async with self._lock:
            if key not in self._known:
                found = await self._pulled(layers, platform)
                if found is None:
                    found = await self._imported(layers, platform, scratch, where, sent)
                self._there.update(layer.diff_id for layer in layers)
                self._known[key] = found
        return self._known[key]

    async def _pulled(self, layers: Sequence[RootLayer], platform: Platform) -> dagger.Container | None:
        """Have the engine pull what it can of *layers*; return the container if that is all of them."""
        diff_ids = tuple(layer.diff_id for layer in layers)
        origins = await to_thread.run_sync(self.origins)
        for end in range(len(diff_ids), 0, -1):
            reference = origins.get(diff_ids[:end])
            if reference is None or diff_ids[end - 1] in self._there:
                continue
            task = self.progress.task(f"pulling {reference.partition('@')[0]} on the Dagger engine", unit="images")
            outcome = "failed"
            try:
                # Whoever the image says runs in it, and where, is not for the first program.
                found = await self._empty(platform).from_(reference).with_user("0:0").with_workdir("/").sync()
                await found.rootfs().entries()  # Now the layers are there.
                outcome = ""
            except dagger.QueryError as error:
                self.told(f"dagger: the engine cannot pull {reference}, it is handed over: {str(error)[:200]}")
                return None
            finally:
                task.finish(outcome)
            self._there.update(diff_ids[:end])
            return found if end == len(diff_ids) else None
        return None

    async def _imported(
        self,
        layers: Sequence[RootLayer],
        platform: Platform,
        scratch: Path,
        where: str,
        sent: Callable[[int], None],
    ) -> dagger.Container:
        missing = [layer for layer in layers if layer.diff_id not in self._there]
        try:
            return await self._hand_over(layers, missing, platform, scratch / "layers.tar", sent)
        except dagger.QueryError as error:
            if len(missing) == len(layers) or "not found" not in str(error):
                raise failed_query(error, where=where) from error
        # It has collected as garbage what it had.
        return await self._hand_over(layers, layers, platform, scratch / "all-layers.tar", sent)

    async def _hand_over(
        self,
        layers: Sequence[RootLayer],
        missing: Sequence[RootLayer],
        platform: Platform,
        place: Path,
        sent: Callable[[int], None],
    ) -> dagger.Container:
        size = await to_thread.run_sync(partial(_write, place, layers, missing, platform, self.store))
        # What is sent in a moment is part of its execution, which is shown.
        shown = self.progress if size >= _LARGE else Silent()
        task, outcome = shown.task("handing layers over to the Dagger engine", size), "failed"
        try:
            found = await self._empty(platform).import_(self.client.host().file(str(place))).sync()
            task.advance(size)
            outcome = ""
        finally:
            task.finish(outcome)
            await to_thread.run_sync(place.unlink)
        sent(size)
        self.told(f"dagger: {len(missing)} of {len(layers)} layers handed over, {size} bytes")
        return found

    def _empty(self, platform: Platform) -> dagger.Container:
        return self.client.container(platform=dagger.Platform(str(platform)))


def _write(
    place: Path, layers: Sequence[RootLayer], missing: Sequence[RootLayer], platform: Platform, store: Store
) -> int:
    """Write an image layout of *layers*, as a tar archive that has the bytes of *missing* only; return its size."""
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    config = canonical_json({**platform.to_json(), "config": {}, "rootfs": rootfs})
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described(CONFIG, config).to_json(),
            "layers": [layer.descriptor.to_json() for layer in layers],
        }
    )
    described = {**_described(MANIFEST, manifest).to_json(), "platform": platform.to_json()}
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]})
    texts = {"oci-layout": canonical_json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    texts |= {_blob(digest_of(data)): data for data in (config, manifest)}
    blobs = {_blob(layer.descriptor.digest): layer.descriptor for layer in missing}
    entries = [directory("blobs"), directory("blobs/sha256")]
    entries += [regular_file(name, len(data)) for name, data in texts.items()]
    entries += [regular_file(name, one.size) for name, one in blobs.items()]
    contents = {name: [data] for name, data in texts.items()}
    with place.open("wb") as file:
        pairs = (
            (entry, store.chunks(blobs[entry.path].digest) if entry.path in blobs else contents.get(entry.path, []))
            for entry in in_order(entries)
        )
        for chunk in archive(pairs, epoch=0):
            file.write(chunk)
        file.write(END)
        return file.tell()


def _described(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"
