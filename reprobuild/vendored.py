"""All that builds need, as one OCI artifact: a manifest whose layers are wheels, inputs and blobs of base images.

Every registry keeps it, and every client of registries copies it. It is a bag of blobs, each known by its digest:
nothing in it says what a blob is for, the locks do.
"""

from collections.abc import Mapping

from reprobuild.canonical import Digest, canonical_json, digest_of, parse_json
from reprobuild.errors import SpecificationError
from reprobuild.oci.types import MANIFEST, Descriptor, parse_manifest
from reprobuild.provenance.referrer import EMPTY

__all__ = ["VENDORED", "parse_vendored", "vendored_document"]

VENDORED = "application/vnd.reprobuild.vendored.v1"
"""The artifact type."""
_BLOB = "application/octet-stream"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def vendored_document(blobs: Mapping[Digest, int]) -> bytes:
    """Return the manifest of an artifact that holds *blobs*, given with their sizes in bytes.

    Its config is the empty one, `EMPTY`. The same blobs give the same bytes.
    """
    empty = Descriptor(media_type=_EMPTY_TYPE, digest=digest_of(EMPTY), size=len(EMPTY))
    layers = [Descriptor(media_type=_BLOB, digest=digest, size=blobs[digest]) for digest in sorted(blobs)]
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": VENDORED,
            "config": empty.to_json(),
            "layers": [layer.to_json() for layer in layers or [empty]],
        }
    )


def parse_vendored(data: bytes, *, where: str) -> tuple[Descriptor, ...]:
    """Return the blobs of the artifact in *data*, each once; raise SpecificationError if it is another thing."""
    if parse_json(data, where=where).get("artifactType") != VENDORED:
        hint = "make one with `reprobuild lock vendor`"
        raise SpecificationError("nothing that `lock vendor` has made", where=where, hint=hint)
    layers = parse_manifest(data, where=where).layers
    return tuple({layer.digest: layer for layer in layers}.values())
