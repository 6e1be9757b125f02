"""Manifests of what is no image: signatures, bills of materials, attestations (OCI image-spec v1.1, manifest.md)."""

from collections.abc import Mapping, Sequence

from reprobuild.canonical import canonical_json, digest_of
from reprobuild.oci.types import MANIFEST, Descriptor, Manifest

__all__ = ["EMPTY", "EMPTY_DATA", "artifact_manifest", "plain_descriptor"]

EMPTY_DATA = b"{}"
"""The bytes of the config that says nothing; they have to be put, like any blob."""

EMPTY = Descriptor(media_type="application/vnd.oci.empty.v1+json", digest=digest_of(EMPTY_DATA), size=len(EMPTY_DATA))


def artifact_manifest(
    artifact_type: str,
    blobs: Sequence[Descriptor],
    *,
    subject: Descriptor | None = None,
    annotations: Mapping[str, str] | None = None,
) -> tuple[Descriptor, bytes]:
    """Return descriptor and bytes of a manifest that holds *blobs*, and refers to *subject* if there is one."""
    manifest = Manifest(
        config=EMPTY,
        layers=tuple(blobs) or (EMPTY,),
        annotations=annotations or {},
        artifact_type=artifact_type,
        subject=None if subject is None else plain_descriptor(subject),
    )
    data = canonical_json(manifest.to_json())
    descriptor = Descriptor(
        media_type=MANIFEST,
        digest=digest_of(data),
        size=len(data),
        annotations=annotations or {},
        artifact_type=artifact_type,
    )
    return descriptor, data


def plain_descriptor(descriptor: Descriptor) -> Descriptor:
    """Return *descriptor* with nothing but media type, digest and size."""
    return Descriptor(media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size)
