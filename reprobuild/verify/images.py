"""What a reference leads to, looked up: its images by platform, with those that are wanted alone if any are."""

from collections.abc import Collection
from dataclasses import replace

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.oci.source import read
from reprobuild.oci.types import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Platform,
    parse_config,
    parse_index,
    parse_manifest,
)
from reprobuild.verify.index_view import ATTESTATION, IndexView
from reprobuild.verify.reading import Origin

__all__ = ["view_of"]
_UNKNOWN = "unknown/unknown"


async def view_of(origin: Origin, wanted: Collection[Platform]) -> IndexView:
    """Return what is at *origin*, of several platforms those that are *wanted*, all if none are.

    Raises SpecificationError if there is no image for one of them, ContentError for what is no image or not what it
    claims, and what sources raise.
    """
    root = await origin.source.resolve()
    if root.media_type in MANIFEST_TYPES:
        view = IndexView(root=root, images={await _platform_of(root, origin): root})
    elif root.media_type in INDEX_TYPES:
        view = await _index_view(root, origin)
    else:
        raise ContentError(f"not an image but {root.media_type[:100]!r}", where=origin.reference)
    if not wanted:
        return view
    images = {str(platform): _chosen(view, platform, origin) for platform in wanted}
    return replace(view, images=images)


async def _index_view(root: Descriptor, origin: Origin) -> IndexView:
    index = parse_index(await read(origin.source, root), where=origin.reference)
    images: dict[str, Descriptor] = {}
    attestations = set[Digest]()
    for one in index.manifests:
        if ATTESTATION in one.annotations or str(one.platform) == _UNKNOWN:
            attestations.add(one.digest)
        elif one.media_type in MANIFEST_TYPES:
            name = str(one.platform) if one.platform else await _platform_of(one, origin)
            images.setdefault(name, one)
    if not images:
        hint = "if it is an index of indexes, name one of them by its digest"
        raise ContentError("the index lists no image", where=origin.reference, hint=hint)
    return IndexView(root=root, images=images, index=index, attestations=frozenset(attestations))


async def _platform_of(manifest: Descriptor, origin: Origin) -> str:
    config = parse_manifest(await read(origin.source, manifest), where=origin.reference).config
    return str(parse_config(await read(origin.source, config), where=origin.reference).platform)


def _chosen(view: IndexView, platform: Platform, origin: Origin) -> Descriptor:
    for name, image in view.images.items():
        os, architecture, *variant = name.split("/")
        if Platform(os=os, architecture=architecture, variant="".join(variant)).satisfies(platform):
            return image
    raise SpecificationError(
        f"there is no image for {platform}; it has {', '.join(view.images)}",
        where=origin.reference,
        hint="leave --platform out, or choose one that both have",
    )
