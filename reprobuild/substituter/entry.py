"""What stands under a derivation's tag: an OCI manifest whose layers are the parts of the output.

The image's own manifest is a blob there, under a media type that no registry follows: a registry would otherwise ask
for the layers of the base image, which are not copied. A layer that wheels share is there twice: as it is, and as their
fragments, which many images share (docs/adr/0011).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of, parse_digest
from reprobuild.errors import ContentError
from reprobuild.oci.source import DOCUMENT_LIMIT
from reprobuild.oci.types import MANIFEST, Descriptor, Manifest, parse_manifest
from reprobuild.provenance.envelope import ENVELOPE
from reprobuild.provenance.referrer import EMPTY

__all__ = [
    "MANIFEST_BLOB",
    "OUTPUT",
    "Entry",
    "checked_parts",
    "entry_document",
    "made_layers",
    "parse_entry",
    "tag_of",
]

OUTPUT = "application/vnd.reprobuild.output.v1"
"""The artifact type of an output."""
MANIFEST_BLOB = "application/vnd.reprobuild.manifest.v1+json"
"""The media type of the image's manifest, as a part of an output."""
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_DERIVATION = "dev.reprobuild.derivation"
_LAYER = "dev.reprobuild.layer"
_MOST_ENVELOPES = 8
_ENVELOPE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An output as it is offered: the blob with its image's manifest, and signed statements about it.

    ``parts`` are the fragments that a layer is joined of. Nothing of it is to be believed. What else it lists is there
    so that the registry keeps it.
    """

    manifest: Descriptor
    envelopes: tuple[Descriptor, ...]
    parts: Mapping[Digest, tuple[Descriptor, ...]]


def tag_of(derivation: Digest) -> str:
    """Return the tag under which the output of *derivation* is offered."""
    return f"drv-{hex_of(derivation)}"


def entry_document(
    derivation: Digest,
    manifest: Descriptor,
    blobs: Sequence[Descriptor],
    *,
    parts: Mapping[Digest, Sequence[Descriptor]] | None = None,
    envelope: Descriptor | None = None,
) -> tuple[Descriptor, bytes, tuple[Descriptor, ...]]:
    """Return an entry's descriptor, its bytes, and the blobs that have to be there before it, each once.

    *blobs* are config and layers of the image *manifest*, *parts* what some layers are joined of; *envelope* is a
    statement about it, if it is signed.
    """
    blob = Descriptor(media_type=MANIFEST_BLOB, digest=manifest.digest, size=manifest.size)
    empty = Descriptor(media_type=_EMPTY_TYPE, digest=digest_of(EMPTY), size=len(EMPTY))
    fragments = [
        replace(part, annotations={_LAYER: layer}) for layer, joined in (parts or {}).items() for part in joined
    ]
    layers = (blob, *blobs, *fragments, *((envelope,) if envelope is not None else ()))
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": OUTPUT,
        "config": empty.to_json(),
        "layers": [layer.to_json() for layer in layers],
        "annotations": {_DERIVATION: derivation},
    }
    data = canonical_json(value)
    needed = {one.digest: one for one in (empty, *layers)}
    return Descriptor(media_type=MANIFEST, digest=digest_of(data), size=len(data)), data, tuple(needed.values())


def parse_entry(data: bytes, derivation: Digest, *, where: str) -> Entry:
    """Return the entry in *data*; raise ContentError if it is none for *derivation*."""
    parsed = parse_manifest(data, where=where)
    if parsed.artifact_type != OUTPUT:
        raise ContentError(f"no output, but {parsed.artifact_type[:100]!r}", where=where)
    if (said := parsed.annotations.get(_DERIVATION)) != derivation:
        raise ContentError(f"the output of another derivation: {str(said)[:100]}", where=where)
    manifests = [layer for layer in parsed.layers if layer.media_type == MANIFEST_BLOB]
    if len(manifests) != 1 or manifests[0].size > DOCUMENT_LIMIT:
        raise ContentError("an output needs one manifest of an image, and no giant", where=where)
    parts: dict[Digest, tuple[Descriptor, ...]] = {}
    for layer in parsed.layers:
        if (joined := layer.annotations.get(_LAYER)) is not None:
            name = parse_digest(joined, where=where)
            parts[name] = (*parts.get(name, ()), layer)
    return Entry(manifest=manifests[0], envelopes=tuple(_envelopes(parsed)), parts=parts)


def checked_parts(layer: Descriptor, parts: Sequence[Descriptor], end: int, *, where: str) -> tuple[Descriptor, ...]:
    """Return *parts* if they can be what *layer* is joined of, whose closing member has *end* bytes; else ContentError.

    So they cannot take more room, or time, than the layer itself.
    """
    rooms = [part.size - end for part in parts]
    if not rooms or min(rooms) < 0 or sum(rooms) + end != layer.size:
        raise ContentError(f"the parts of {layer.digest} do not add up to it", where=where)
    return tuple(parts)


def made_layers(manifest: Manifest, base: Manifest, *, where: str) -> tuple[Descriptor, ...]:
    """Return the layers that *manifest* has on top of those of *base*; raise ContentError if it is not built on it."""
    below = [layer.digest for layer in base.layers]
    if [layer.digest for layer in manifest.layers[: len(below)]] != below:
        raise ContentError("the image is not built on the base image that is locked", where=where)
    return manifest.layers[len(below) :]


def _envelopes(manifest: Manifest) -> Iterator[Descriptor]:
    found = [layer for layer in manifest.layers if layer.media_type == ENVELOPE and layer.size <= _ENVELOPE_LIMIT]
    yield from found[:_MOST_ENVELOPES]
