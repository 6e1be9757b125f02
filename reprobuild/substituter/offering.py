"""Outputs put into a substituter: blobs first, the tag last, and only what the repository lacks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from reprobuild.builder.assembly import keys_of, stored_fragment
from reprobuild.builder.base import stored_manifest
from reprobuild.builder.layer import known_layer, parts_of
from reprobuild.builder.outcome import BuiltImage
from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import Digest, digest_of
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError, SpecificationError
from reprobuild.gathering import gathered
from reprobuild.oci.held import Held
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.source import read
from reprobuild.oci.types import Descriptor, parse_manifest
from reprobuild.provenance.envelope import ENVELOPE
from reprobuild.provenance.referrer import EMPTY
from reprobuild.store import Store
from reprobuild.substituter.entry import Entry, entry_document, made_layers, parse_entry, tag_of
from reprobuild.verify.stored import Stored

__all__ = ["Offer", "offer"]

_PARALLEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An image that is in the store, and what signs a statement about it, None if nobody does."""

    image: PlannedImage
    built: BuiltImage
    sign: Callable[[], bytes] | None = None


async def offer(one: Offer, store: Store, sink: RegistrySink) -> bool:
    """Have *one* in the repository of *sink* under the tag of its derivation; return whether anything was put there.

    Raises ContentError if something else is there that no lock contradicts, and what the registry raises.
    """
    tag, manifest = tag_of(one.image.key), one.built.manifest
    where = f"{sink.where}:{tag}"
    there = await _there(one, sink, where)
    if there is not None and there.manifest.digest == manifest.digest and (there.envelopes or one.sign is None):
        return False
    if there is not None and there.manifest.digest != manifest.digest and one.built.outcome != "verified":
        hint = "one of the two builds was not reproducible: find out which with `reprobuild check`"
        raise ContentError(f"another image is there, {there.manifest.digest}", where=where, hint=hint)
    envelope = one.sign() if one.sign is not None else None
    config, layers = _parts(one, store, where)
    parts = {layer: joined for layer, joined in _fragments(one.image.derivation, store).items() if layer in layers}
    document, data, blobs = entry_document(
        one.image.key, manifest, [config, *layers.values()], parts=parts, envelope=_described(envelope)
    )
    small = {digest_of(data): data for data in (EMPTY, envelope) if data is not None}
    held = Held([(blob, small[blob.digest]) for blob in blobs if blob.digest in small])
    stored = Stored(manifest, store)
    puts = [partial(sink.put, blob, held if blob.digest in small else stored) for blob in blobs]
    await gathered(puts, limit=_PARALLEL)
    await sink.put_document(document, data, name=tag)
    return True


def _parts(one: Offer, store: Store, where: str) -> tuple[Descriptor, dict[Digest, Descriptor]]:
    """Return the image's config, and its layers, those of its base left out."""
    manifest = parse_manifest(store.read(one.built.manifest.digest), where=where)
    base, _ = stored_manifest(one.image.derivation.base, one.image.derivation.platform, store)
    return manifest.config, {layer.digest: layer for layer in made_layers(manifest, base, where=where)}


def _fragments(derivation: Derivation, store: Store) -> dict[Digest, list[Descriptor]]:
    """Return what layers of several wheels are joined of, as far as *store* has and remembers all of it."""
    found: dict[Digest, list[Descriptor]] = {}
    for group in derivation.layered:
        fragments = [stored_fragment(store, key) for wheel in group for key in keys_of(wheel, derivation)]
        known = [one for one in fragments if one is not None and one.members]
        if None not in fragments and len(known) > 1:
            layer = known_layer(known, store, derivation.compression, once=derivation.names_once)
            if layer is not None:
                kind, joined = layer.descriptor.media_type, parts_of(known, store, once=derivation.names_once)
                parts = [Descriptor(media_type=kind, digest=one.blob, size=one.size) for one in joined]
                found |= {layer.descriptor.digest: parts} if parts else {}
    return found


def _described(envelope: bytes | None) -> Descriptor | None:
    if envelope is None:
        return None
    return Descriptor(media_type=ENVELOPE, digest=digest_of(envelope), size=len(envelope))


async def _there(one: Offer, sink: RegistrySink, where: str) -> Entry | None:
    """Return the entry that is there; None for what is no entry, which is replaced."""
    reader = sink.reader(tag_of(one.image.key))
    try:
        return parse_entry(await read(reader, await reader.resolve()), one.image.key, where=where)
    except (SpecificationError, ContentError):
        return None
