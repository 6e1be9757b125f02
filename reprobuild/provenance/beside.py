"""Envelopes beside an image in its repository or layout: found as its referrers, read within bounds."""

from functools import partial

from reprobuild.errors import ContentError
from reprobuild.gathering import gathered
from reprobuild.oci.layout import Layout
from reprobuild.oci.referring import referring
from reprobuild.oci.repository import Repository
from reprobuild.oci.source import Source, read
from reprobuild.oci.types import Descriptor, parse_manifest
from reprobuild.provenance.attested import Attestation, Document
from reprobuild.provenance.envelope import ENVELOPE

__all__ = ["envelopes"]

_PARALLEL = 4
_MOST = 200
_LARGEST = 4 * 1024 * 1024
"""Bytes of an envelope: its statement names every file of a connector."""


async def envelopes(
    image: Descriptor, place: Repository | Layout, source: Source
) -> tuple[list[Document], list[Attestation]]:
    """Return the envelopes in *place* that refer to *image*, read with *source*, and what could not be read and why.

    Of more than 200 the rest is left aside, which is said.
    """
    # A layout's list need not say what its manifests hold.
    listed = [one for one in await referring(image, place, source) if one.artifact_type in {"", ENVELOPE}]
    found = await gathered([partial(_document, one, source) for one in listed[:_MOST]], limit=_PARALLEL)
    unread = [one for one in found if isinstance(one, Attestation)]
    if len(listed) > _MOST:
        unread.append(_unread(str(len(listed) - _MOST), "more are beside the image than are read"))
    return [one for one in found if isinstance(one, Document)], unread


async def _document(manifest: Descriptor, source: Source) -> Document | Attestation | None:
    try:
        parsed = parse_manifest(await read(source, manifest), where=manifest.digest)
        layers = [layer for layer in parsed.layers if layer.media_type == ENVELOPE]
        if not layers and not manifest.artifact_type:
            return None
        if len(layers) != 1 or layers[0].size > _LARGEST:
            return _unread(manifest.digest, f"not one envelope of at most {_LARGEST} bytes")
        return Document(where=manifest.digest, data=await read(source, layers[0]))
    except ContentError as error:
        return _unread(manifest.digest, error.message)


def _unread(where: str, reason: str) -> Attestation:
    return Attestation(where=where, answer="not by these keys", reason=reason)
