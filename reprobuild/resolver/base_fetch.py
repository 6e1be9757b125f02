"""A locked base image into the store, from where its reference leads."""

import os
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.errors import LockError
from reprobuild.gathering import gathered
from reprobuild.lockfile import BaseImage
from reprobuild.oci.open import copy_blob, open_source
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import MANIFEST, Descriptor, Platform, parse_manifest
from reprobuild.progress import Progress
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["fetch_base"]

_AT_ONCE = 4


async def fetch_base(
    workspace: "Workspace",
    base: BaseImage,
    store: Store,
    *,
    progress: Progress,
    offline: bool = False,
    platforms: Collection[Platform] = (),
) -> None:
    """Have the manifests, configs and layers of *base* in the store, for *platforms* or for all that it has.

    With *offline*, a base image on disk is still read, one in a registry is not: LockError.
    """
    absent = _absent(base, store, platforms)
    if not absent:
        return
    reference = parse_reference(base.image)
    if offline and isinstance(reference, RegistryReference):
        hint = "run `reprobuild fetch` while online"
        raise LockError(f"{absent[0].digest} is not in the store", where=base.image, hint=hint)
    source = open_source(
        reference,
        root=workspace.root,
        environ=os.environ,
        registries=workspace.registries,
    )
    try:
        while absent:
            task = progress.task(f"fetching {base.name}", sum(blob.size for blob in absent))
            await gathered([partial(copy_blob, source, blob, store, task=task) for blob in absent], limit=_AT_ONCE)
            task.finish()
            absent = _absent(base, store, platforms)
    finally:
        await source.close()


def _absent(base: BaseImage, store: Store, platforms: Collection[Platform]) -> list[Descriptor]:
    """Return what the store lacks of *base*: manifests first, for without them the rest is not known."""
    manifests = [
        Descriptor(media_type=MANIFEST, digest=one.manifest, size=one.size)
        for platform, one in base.platforms.items()
        if not platforms or platform in platforms
    ]
    if absent := [one for one in manifests if not store.has(one.digest, one.size)]:
        return absent
    blobs: dict[str, Descriptor] = {}
    for one in manifests:
        if one.size > DOCUMENT_LIMIT:
            raise LockError(f"{one.digest} is too large to be a manifest", where=base.name)
        manifest = parse_manifest(store.read(one.digest), where=base.image)
        blobs |= {blob.digest: blob for blob in (manifest.config, *manifest.layers)}
    return [blob for blob in blobs.values() if not store.has(blob.digest, blob.size)]
