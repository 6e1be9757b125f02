"""The blobs that building takes, as the locks name them: what travels to where there is no network."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from reprobuild.canonical import Digest
from reprobuild.lockfile import BaseImage, Lock
from reprobuild.oci.types import parse_manifest
from reprobuild.resolver.needed_wheels import needed_wheels
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.workspace import Workspace

__all__ = ["needed_blobs"]


def needed_blobs(workspace: "Workspace", lock: Lock, names: Collection[str], store: Store) -> dict[Digest, int | None]:
    """Return wheels, inputs and base images of the connectors *names*, with their sizes in bytes where a lock has them.

    The manifests of the base images have to be in *store*. Wheels that are built from sdists are among them, what they
    are built from is not.
    """
    blobs: dict[Digest, int | None] = {}
    for one in needed_wheels(workspace, lock, names, store):
        blobs[one.wheel.digest] = one.wheel.size
    for name in names:
        blobs.update((item.digest, item.size) for item in lock.connectors[name].inputs)
    for base in sorted({lock.connectors[name].base for name in names}):
        blobs.update(_of_base(lock.bases[base], store))
    return blobs


def _of_base(base: BaseImage, store: Store) -> Iterator[tuple[Digest, int]]:
    for platform in base.platforms.values():
        yield platform.manifest, platform.size
        manifest = parse_manifest(store.read(platform.manifest), where=base.image)
        for blob in (manifest.config, *manifest.layers):
            yield blob.digest, blob.size
