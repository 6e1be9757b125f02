"""What a reference leads to: an index with an image for each platform, or one image; and how two of them differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reprobuild.canonical import Digest
from reprobuild.oci.types import Descriptor, Index
from reprobuild.verify.difference import Difference
from reprobuild.verify.document import annotation_differences, media_type_difference, shown

__all__ = ["ATTESTATION", "IndexView", "index_differences"]

ATTESTATION = "vnd.docker.reference.type"
"""The annotation of what stands in an index beside the images (BuildKit's attestations)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexView:
    """What is at a reference: ``images`` by platform; ``index`` is None if it is one image and no index."""

    root: Descriptor
    images: Mapping[str, Descriptor]
    index: Index | None = None
    attestations: frozenset[Digest] = field(default_factory=frozenset)


def index_differences(a: IndexView, b: IndexView) -> Iterator[Difference]:
    """Yield how *a* and *b* differ beside the images that both have."""
    for platform in sorted(a.images.keys() ^ b.images.keys()):
        old, new = a.images.get(platform), b.images.get(platform)
        detail = f"in {'A' if old else 'B'} only"
        yield Difference(
            cause="platform",
            kind="image",
            place=platform,
            old=old.digest if old else None,
            new=new.digest if new else None,
            detail=detail,
            platform=platform,
        )
    if a.root.digest != b.root.digest:
        yield from _documents(a, b)


def _documents(a: IndexView, b: IndexView) -> Iterator[Difference]:
    if a.index is None and b.index is None:
        return
    if a.index is None or b.index is None:
        old, new = ("an index" if view.index else "one image" for view in (a, b))
        yield Difference(cause="index", kind="image", place="index", old=old, new=new)
        return
    yield from media_type_difference("index", a.root, b.root)
    yield from annotation_differences("index", a.index.annotations, b.index.annotations)
    if a.attestations != b.attestations:
        counts = f"{len(a.attestations)} in A, {len(b.attestations)} in B"
        yield Difference(cause="attestation", kind="image", place="index", detail=counts)
    yield from _entries(a, b)


def _entries(a: IndexView, b: IndexView) -> Iterator[Difference]:
    """Yield how the same images are listed otherwise."""
    if list(a.images) != list(b.images) and a.images.keys() == b.images.keys():
        old, new = ", ".join(a.images), ", ".join(b.images)
        yield Difference(cause="index", kind="image", place="index", old=old, new=new, detail="another order")
    for platform in a.images.keys() & b.images.keys():
        one, other = a.images[platform], b.images[platform]
        if one.annotations != other.annotations:
            yield Difference(
                cause="annotation",
                kind="image",
                place=f"index, {platform}",
                old=shown(dict(one.annotations)),
                new=shown(dict(other.annotations)),
                platform=platform,
            )
