"""Two references' contents held against each other, platform by platform: what `reprobuild diff` does."""

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from reprobuild.errors import ContentError, SpecificationError
from reprobuild.gathering import gathered
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
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.verify.cause import rank
from reprobuild.verify.comparison import Comparison, Side
from reprobuild.verify.difference import Difference
from reprobuild.verify.index_view import ATTESTATION, IndexView, index_differences
from reprobuild.verify.reading import Origin, Texts, compare_images

__all__ = ["compare"]
_UNKNOWN = "unknown/unknown"


async def compare(
    a: Origin,
    b: Origin,
    store: Store,
    progress: Progress,
    *,
    platforms: Collection[Platform] = (),
    texts: Texts,
) -> Comparison:
    """Return how what is at *a* differs from what is at *b*, on *platforms* alone if any are given.

    With *platforms*, indexes themselves are not compared, and SpecificationError is raised if one side has no image
    for one of them. Raises what sources raise, and ContentError for what is no image or not what it claims.
    """
    mine, theirs = await gathered([partial(_view, one, platforms) for one in (a, b)], limit=2)
    both = [name for name in mine.images if name in theirs.images]
    found: list[Difference] = [] if platforms else list(index_differences(mine, theirs))
    for name in both:
        pair = (a, mine.images[name]), (b, theirs.images[name])
        found += [replace(one, platform=name) for one in await compare_images(*pair, store, progress, texts=texts)]
    return Comparison(
        a=_side(a, mine, platforms),
        b=_side(b, theirs, platforms),
        platforms=tuple(both),
        differences=tuple(sorted(found, key=lambda one: rank(one.cause))),
    )


async def _view(origin: Origin, wanted: Collection[Platform]) -> IndexView:
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
    attestations = set()
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


def _side(origin: Origin, view: IndexView, wanted: Collection[Platform]) -> Side:
    images = list(view.images.values())
    digest = images[0].digest if wanted and len(images) == 1 else view.root.digest
    return Side(reference=origin.reference, digest=digest, platforms=tuple(view.images))
