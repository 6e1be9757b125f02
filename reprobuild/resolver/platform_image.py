"""The manifests that a base image's reference stands for, one for each platform that is wanted."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprobuild.builder.base import check_config, fetch_document
from reprobuild.errors import LockError
from reprobuild.oci.source import Source
from reprobuild.oci.types import (
    CONFIG,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
    oci_media_type,
    parse_config,
    parse_index,
    parse_manifest,
)
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.workspace.types import BaseSpec

__all__ = ["PlatformImage", "platform_images"]

_ATTESTATION = "vnd.docker.reference.type"
"""The annotation of what stands in an index beside the images (BuildKit's attestations)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformImage:
    """A base image on one platform; ``where`` names it in messages."""

    platform: Platform
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig
    where: str


async def platform_images(
    root: Descriptor, platforms: tuple[Platform, ...], spec: "BaseSpec", source: Source, store: Store
) -> list[PlatformImage]:
    """Return the image for each of *platforms* in *root*, an index or a manifest; its documents enter *store*.

    Raises LockError, saying what there is, if one is missing or a single image stands where several are needed.
    """
    offered = [item async for item in _offered(root, spec, source, store)]
    images = []
    for platform in platforms:
        descriptor = next((item for item in offered if item.platform and item.platform.satisfies(platform)), None)
        if descriptor is None:
            raise _missing(root, platforms, offered, spec)
        where = f"{spec.image} ({platform})"
        manifest, config = await _documents(descriptor, source, store, where)
        check_config(manifest, config, platform, where=where)
        images.append(
            PlatformImage(platform=platform, descriptor=descriptor, manifest=manifest, config=config, where=where)
        )
    return images


async def _offered(root: Descriptor, spec: "BaseSpec", source: Source, store: Store) -> AsyncIterator[Descriptor]:
    """Yield the images in *root*, each with its platform: the index's word, or else the config's."""
    listed: Iterable[Descriptor] = [replace(root, platform=None)]
    if root.media_type in INDEX_TYPES:
        index = parse_index(await fetch_document(root, source, store, where=str(spec.image)), where=str(spec.image))
        listed = index.manifests
    elif root.media_type not in MANIFEST_TYPES:
        raise LockError(f"{spec.image} is not an image but {root.media_type[:100]!r}", where=spec.where)
    for descriptor in listed:
        if descriptor.media_type not in MANIFEST_TYPES or _ATTESTATION in descriptor.annotations:
            continue
        if descriptor.platform is not None:
            yield descriptor
        elif (platform := await _platform(descriptor, spec, source, store)) is not None:
            yield replace(descriptor, platform=platform)


async def _platform(descriptor: Descriptor, spec: "BaseSpec", source: Source, store: Store) -> Platform | None:
    """Return the platform in the config of *descriptor*, None if it is no image's."""
    data = await fetch_document(descriptor, source, store, where=str(spec.image))
    config = parse_manifest(data, where=str(spec.image)).config
    if oci_media_type(config.media_type) != CONFIG:
        return None
    data = await fetch_document(config, source, store, where=str(spec.image))
    return parse_config(data, where=str(spec.image)).platform


async def _documents(descriptor: Descriptor, source: Source, store: Store, where: str) -> tuple[Manifest, ImageConfig]:
    manifest = parse_manifest(await fetch_document(descriptor, source, store, where=where), where=where)
    config = await fetch_document(manifest.config, source, store, where=where)
    return manifest, parse_config(config, where=where)


def _missing(
    root: Descriptor, platforms: tuple[Platform, ...], offered: list[Descriptor], spec: "BaseSpec"
) -> LockError:
    there = sorted({str(item.platform) for item in offered if item.platform and item.platform.os != "unknown"})
    wanted = " and ".join(map(str, platforms))
    has = ", ".join(there) or "nothing"
    if root.media_type in MANIFEST_TYPES:
        hint = "pin the index digest, not one architecture's"
        if len(platforms) == 1:
            hint = f"use an image for {wanted}, or take {wanted} out of platforms"
        return LockError(f"{spec.image} is one image, for {has}; needed: {wanted}", where=spec.where, hint=hint)
    lacking = [p for p in platforms if not any(item.platform and item.platform.satisfies(p) for item in offered)]
    return LockError(
        f"{spec.image} has no image for {' and '.join(map(str, lacking))}; it has {has}",
        where=spec.where,
        hint="use a base image that has it, or take it out of platforms",
    )
