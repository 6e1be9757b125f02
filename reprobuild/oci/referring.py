"""Referrers of whatever an image is made of, wherever it is, and copies of them."""

from functools import partial

from reprobuild.canonical import Digest
from reprobuild.gathering import gathered
from reprobuild.oci.layout import REF_NAME, Layout
from reprobuild.oci.layout_sink import LayoutSink
from reprobuild.oci.referrers import push_referrer, referrers
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.repository import Repository
from reprobuild.oci.source import Source, read
from reprobuild.oci.transfer import Inventory
from reprobuild.oci.types import MANIFEST_TYPES, Descriptor, parse_manifest

__all__ = ["copy_referrers", "referring"]

_PARALLEL = 4
_DEEPEST = 4


async def copy_referrers(
    content: Inventory, source: Source, place: Repository | Layout, sink: LayoutSink | RegistrySink
) -> int:
    """Put what refers to the documents of *content* in *place*, which *source* reads, into *sink*; return how many.

    What refers to a referrer, as a signature to a bill of materials, goes along.
    """
    done: set[Digest] = set()
    subjects = [*content.manifests, *content.indexes]
    for _ in range(_DEEPEST):
        found = await gathered([partial(referring, subject, place, source) for subject in subjects], limit=_PARALLEL)
        pairs = [(subject, one) for subject, ones in zip(subjects, found, strict=True) for one in ones]
        new = [(subject, one) for subject, one in pairs if one.digest not in done]
        for subject, one in new:
            await _copy(subject, one, source, sink)
        subjects = [one for _, one in new]
        done |= {one.digest for one in subjects}
    return len(done)


async def _copy(subject: Descriptor, one: Descriptor, source: Source, sink: LayoutSink | RegistrySink) -> None:
    if isinstance(sink, RegistrySink):
        await push_referrer(subject, one, source, sink)
        return
    manifest = parse_manifest(await read(source, one), where=one.digest)
    for blob in {blob.digest: blob for blob in (manifest.config, *manifest.layers)}.values():
        await sink.put(blob, source)
    await sink.put(one, source)
    await sink.list(one, None)


async def referring(subject: Descriptor, place: Repository | Layout, source: Source) -> tuple[Descriptor, ...]:
    """Return the manifests in *place*, which *source* reads, that refer to *subject*."""
    if isinstance(place, Repository):
        return await referrers(subject, place)
    found = []
    for one in await place.listed():
        if one.media_type in MANIFEST_TYPES and REF_NAME not in one.annotations:
            manifest = parse_manifest(await read(source, one), where=one.digest)
            if manifest.subject is not None and manifest.subject.digest == subject.digest:
                found.append(one)
    return tuple(found)
