"""A document that belongs to an image, as a registry stores it beside it: an OCI referrer.

OCI image-spec v1.1, manifest.md, "Guidelines for Artifact Usage": a manifest with an artifactType, the empty config,
the document as its one layer, and the image as its subject. The image, and the index that lists it, stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprobuild.canonical import canonical_json, digest_of
from reprobuild.oci.types import MANIFEST, Descriptor
from reprobuild.store import Store

__all__ = ["EMPTY", "Referrer", "keep_referrer", "referrer"]

EMPTY = b"{}"
"""The bytes of the empty config."""
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_PREDICATE = "in-toto.io/predicate-type"
"""The annotation by which clients find a statement of the kind that they want."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """A manifest's bytes with its descriptor, and the blobs that have to be there before it: the empty config, too."""

    data: bytes
    descriptor: Descriptor
    blobs: tuple[tuple[Descriptor, bytes], ...]


def referrer(
    document: bytes,
    media_type: str,
    subject: Descriptor,
    *,
    predicate_type: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Referrer:
    """Return what stores *document*, of *media_type*, beside the image *subject*; equal arguments are equal bytes.

    *predicate_type* is that of a statement, signed or not.
    """
    said = {**(annotations or {}), **({_PREDICATE: predicate_type} if predicate_type else {})}
    config = Descriptor(media_type=_EMPTY_TYPE, digest=digest_of(EMPTY), size=len(EMPTY))
    layer = Descriptor(media_type=media_type, digest=digest_of(document), size=len(document), annotations=said)
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": media_type,
        "config": config.to_json(),
        "layers": [layer.to_json()],
        "subject": Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size).to_json(),
    }
    data = canonical_json(value | {"annotations": said} if said else value)
    descriptor = Descriptor(media_type=MANIFEST, digest=digest_of(data), size=len(data))
    return Referrer(data=data, descriptor=descriptor, blobs=((config, EMPTY), (layer, document)))


def keep_referrer(one: Referrer, store: Store) -> Descriptor:
    """Put *one* and its blobs into *store*, from where it is pushed, and return its descriptor."""
    for _, data in one.blobs:
        store.add(data)
    store.add(one.data)
    return one.descriptor
