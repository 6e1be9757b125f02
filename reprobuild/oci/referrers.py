"""What refers to an image in its repository: signatures, bills of materials, attestations.

OCI distribution-spec v1.1: a registry lists manifests by their subject; where one does not, whoever pushes keeps the
list, as an index under the tag ``sha256-<hex>`` (the referrers tag schema).
"""

from functools import partial

import httpx

from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of
from reprobuild.errors import ContentError, NetworkError, SpecificationError
from reprobuild.gathering import gathered
from reprobuild.oci.call import Call, drain, explained, read_limited
from reprobuild.oci.refusal import refused
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.repository import Repository
from reprobuild.oci.source import DOCUMENT_LIMIT, Source, read
from reprobuild.oci.types import INDEX, Descriptor, Index, parse_index, parse_manifest

__all__ = ["push_referrer", "referrers"]

_PARALLEL = 4
_MOST_PAGES = 100
_ROUNDS = 5


async def push_referrer(subject: Descriptor, manifest: Descriptor, source: Source, sink: RegistrySink) -> None:
    """Put *manifest*, whose subject is *subject*, and its blobs from *source* into *sink*, and have it listed there.

    Raises ContentError if the manifest's subject is another one.
    """
    data = await read(source, manifest)
    parsed = parse_manifest(data, where=manifest.digest)
    if parsed.subject is None or parsed.subject.digest != subject.digest:
        raise ContentError(f"its subject is not {subject.digest}", where=manifest.digest)
    blobs = {blob.digest: blob for blob in (parsed.config, *parsed.layers)}
    await gathered([partial(sink.put, blob, source) for blob in blobs.values()], limit=_PARALLEL)
    listed = await sink.put_document(manifest, data)
    if listed != subject.digest:
        entry = Descriptor(
            media_type=manifest.media_type,
            digest=manifest.digest,
            size=manifest.size,
            annotations=parsed.annotations,
            artifact_type=parsed.artifact_type or parsed.config.media_type,
        )
        await _enlist(subject, entry, sink)


async def referrers(subject: Descriptor, place: Repository) -> tuple[Descriptor, ...]:
    """Return the manifests in the repository *place* that refer to *subject*, with artifact types and annotations."""
    target: str | httpx.URL = f"/v2/{place.repository}/referrers/{subject.digest}"
    found: dict[Digest, Descriptor] = {}
    for _ in range(_MOST_PAGES):
        call = Call(method="GET", target=target, headers={"Accept": INDEX})
        tries = place.transport.tries()
        response = await place.transport.send(call, tries)
        if response.status_code == 404:
            await drain(response)
            return await _tagged(subject, place)
        if response.status_code != 200:
            raise refused(response, (await explained(response)).clause, place.transport, where=place.where)
        following = place.transport.next_page(response)
        try:
            data = await read_limited(response, DOCUMENT_LIMIT + 1)
        except httpx.TransportError as error:
            await tries.again(place.transport.failure(error))
            continue
        found |= {item.digest: item for item in _parsed(data, place.where).manifests}
        if following is None:
            return tuple(found.values())
        target = following
    raise ContentError("the list of referrers has no end", where=place.where)


async def _tagged(subject: Descriptor, place: Repository) -> tuple[Descriptor, ...]:
    """Return the referrers that the tag of *subject* lists."""
    reader = place.reader(_tag(subject))
    try:
        root = await reader.resolve()
    except SpecificationError:
        return ()
    return _parsed(await read(reader, root), place.where).manifests


async def _enlist(subject: Descriptor, entry: Descriptor, sink: RegistrySink) -> None:
    """Add *entry* to the index under the tag of *subject*; another who does so at the same time may undo it."""
    for _ in range(_ROUNDS):
        there = await _tagged(subject, sink)
        if any(item.digest == entry.digest for item in there):
            return
        data = canonical_json(Index(manifests=(*there, entry)).to_json())
        index = Descriptor(media_type=INDEX, digest=digest_of(data), size=len(data))
        await sink.put_document(index, data, name=_tag(subject))
    hint = "others push referrers of this image; run the command again when they are done"
    raise NetworkError(f"{entry.digest} could not be listed as a referrer", where=sink.where, hint=hint)


def _tag(subject: Descriptor) -> str:
    return f"sha256-{hex_of(subject.digest)}"


def _parsed(data: bytes, where: str) -> Index:
    if len(data) > DOCUMENT_LIMIT:
        raise ContentError(f"the list of referrers has more than {DOCUMENT_LIMIT} bytes", where=where)
    return parse_index(data, where=f"{where}: referrers")
