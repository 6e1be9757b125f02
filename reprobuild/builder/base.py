"""A locked base image's manifest and config: what a builder needs of it, and all that it reads (design §8).

Both come by the digests in the lock, so that nothing a tag points to today can change a build.
"""

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, LockError
from reprobuild.lockfile import BASE_LOCK, BaseImage, BasePlatform
from reprobuild.oci.open import copy_blob
from reprobuild.oci.source import DOCUMENT_LIMIT, Source
from reprobuild.oci.types import MANIFEST, Descriptor, ImageConfig, Manifest, Platform, parse_config, parse_manifest
from reprobuild.store import Store

__all__ = ["check_config", "fetch_document", "manifest_and_config", "stored_manifest"]


async def manifest_and_config(
    base: BaseImage, platform: Platform, source: Source, store: Store
) -> tuple[Manifest, ImageConfig]:
    """Return manifest and config of *base* for *platform*, put into *store* from *source* if they are missing.

    Raises LockError if the lock has no such platform or is not of this image, ContentError for other bytes than
    the locked digests', and what *source* raises.
    """
    locked, where = _locked(base, platform), _where(base, platform)
    descriptor = Descriptor(media_type=MANIFEST, digest=locked.manifest, size=locked.size)
    manifest = parse_manifest(await fetch_document(descriptor, source, store, where=where), where=where)
    _check_manifest(manifest, locked, where)
    await fetch_document(manifest.config, source, store, where=where)
    return stored_manifest(base, platform, store)


def stored_manifest(base: BaseImage, platform: Platform, store: Store) -> tuple[Manifest, ImageConfig]:
    """Return manifest and config of *base* for *platform* from *store* alone; raise LockError if they are missing."""
    locked, where = _locked(base, platform), _where(base, platform)
    manifest = parse_manifest(_stored(locked.manifest, store, where), where=where)
    _check_manifest(manifest, locked, where)
    config = parse_config(_stored(locked.config, store, where), where=where)
    check_config(manifest, config, platform, where=where)
    return manifest, config


def check_config(manifest: Manifest, config: ImageConfig, platform: Platform, *, where: str) -> None:
    """Raise unless *config* is for *platform* and has a diffID for each layer of *manifest*."""
    if not config.platform.satisfies(platform):
        raise LockError(
            f"its config says {config.platform}, not {platform}",
            where=where,
            hint="the index is wrong about it; use another base image, or ask whoever publishes it",
        )
    if len(config.diff_ids) != len(manifest.layers):
        raise ContentError(
            f"the manifest has {len(manifest.layers)} layers, the config {len(config.diff_ids)}",
            where=where,
            hint="they do not belong together; use another base image, or ask whoever publishes it",
        )


async def fetch_document(descriptor: Descriptor, source: Source, store: Store, *, where: str) -> bytes:
    """Return the bytes of the manifest or config *descriptor*, put into *store* from *source* if they are missing."""
    if descriptor.size > DOCUMENT_LIMIT:
        raise ContentError(
            f"{descriptor.digest} has {descriptor.size} bytes, more than {DOCUMENT_LIMIT} are not read", where=where
        )
    await copy_blob(source, descriptor, store)
    return store.read(descriptor.digest)


def _stored(digest: Digest, store: Store, where: str) -> bytes:
    if digest not in store:
        raise LockError(f"{digest} is not in the store", where=where, hint="run `reprobuild fetch`")
    return store.read(digest)


def _locked(base: BaseImage, platform: Platform) -> BasePlatform:
    if platform in base.platforms:
        return base.platforms[platform]
    raise LockError(
        f"the base image {base.name} is locked for {', '.join(map(str, base.platforms)) or 'nothing'}, not {platform}",
        where=BASE_LOCK,
        hint=f"add {platform} to platforms and run `reprobuild lock update`",
    )


def _check_manifest(manifest: Manifest, locked: BasePlatform, where: str) -> None:
    if manifest.config.digest != locked.config:
        raise LockError(
            f"the manifest's config is {manifest.config.digest}, the lock says {locked.config}",
            where=where,
            hint="the lock was edited; run `reprobuild lock update --bases`",
        )


def _where(base: BaseImage, platform: Platform) -> str:
    return f"{base.image} ({platform})"
